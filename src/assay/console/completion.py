"""Shells' completion of commands and of what may stand behind them."""

from collections.abc import Mapping, Sequence

from assay.errors import ConfigError

__all__ = ["completion"]


def completion(shell: str, below: Mapping[str, Sequence[str]]) -> str:
    """Return a script for bash or zsh that completes names of commands, and the words below each.

    Raises `ConfigError` for another shell.
    """
    if shell not in ("bash", "zsh"):
        raise ConfigError("--print-completion needs a shell: bash or zsh")
    head = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    cases = "\n".join(
        f'    {name}) words="{" ".join(words)}" ;;' for name, words in below.items() if words
    )
    return f"""{head}_assay() {{
  local words=""
  case "$COMP_CWORD:${{COMP_WORDS[1]}}" in
    1:*) words="{" ".join(below)} help" ;;
    2:*) case "${{COMP_WORDS[1]}}" in
{cases}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _assay assay"""
