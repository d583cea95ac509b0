"""`assay COMMAND`: only the chosen command's module is imported, so help is fast and needs no
torch."""

import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from assay.errors import AssayError, ConfigError

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "quickstart": "train a policy and three reward models, and see where each stops being gold",
    "data": "check, convert, split and augment data files",
    "train": (
        "train a reward model (rm, orm, prm, or by a loss) from preferences, outcomes or step"
        " labels"
    ),
    "label": "label steps by rollouts: Monte-Carlo, adaptive, tree search, consensus",
    "score": "score responses with a reward model",
    "eval": "measure a reward model on records, or on a benchmark: eval processbench",
    "benchmark": "step scores on ProcessBench, PRMBench and others",
    "verify": "let a program check responses: math, numeric, code in a sandbox, rules",
    "search": "spend samples and scores on prompts: best-of-n, votes, beam, DVTS, MCTS",
    "compare": "several searches at several sizes: accuracy against tokens",
    "sft": "teach a policy good responses (SFT), before a reward model and RL",
    "rl": "train a policy against a reward (PPO, GRPO, RLOO ...), and watch the gold",
    "overopt": "how hard a proxy may be pressed: gold against KL, its fit, and where to stop",
    "best-of-n": "best-of-n and votes over a pool of responses, beside their baselines",
    "models": "look at, check and fetch models",
    "worlds": "games whose reward is not what was meant: list them, play them",
}

LOSSES = {"rm": "bradley-terry", "orm": "outcome", "prm": "step-bce"}
"""`assay train prm` is `assay train step-bce`: by the kind of model, with its usual loss."""

MODULES = {"best-of-n": "bestof"}
"""Command -> its module, where that has another name."""

SPELLINGS = {"bestof": "best-of-n"}
"""Old spelling of a command -> the one today."""

FIRST = {"rl": "--prompts"}
"""Option that named the data, which comes first today."""

UNWRITABLE = frozenset(
    getattr(errno, name)
    for name in (
        "EACCES EDQUOT EEXIST EFBIG EISDIR ENAMETOOLONG ENOSPC ENOTDIR ENOTEMPTY EPERM EROFS"
    ).split()
)
"""Of a place that cannot be written, which is no bug."""

# One frozen dataclass a command, called without arguments; a module may offer several under
# `COMMANDS` of its own. A command's `--from run.json` reads its settings back.


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command. Errors raised on purpose print one line and exit with 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(version("assay"))
        return
    name = arguments[0]
    if name not in COMMANDS | SPELLINGS:
        print(f"assay: no command is called {name!r}\n\n{_usage()}", file=sys.stderr)
        raise SystemExit(2)
    try:
        _run(*_meant(name, arguments[1:]))
    except AssayError as error:
        print(f"assay {name}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:
        # The reader of a pipe (`| head`) went away; stop quietly, as other tools do.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        place = f"{error.filename}: " if error.filename else ""
        print(
            f"assay {name}: {place}{error.strerror}; make room, or give another place to write to",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    except KeyboardInterrupt as interrupt:
        kept = str(interrupt) or "run the same command again to go on where it can resume"
        print(f"\nassay {name}: interrupted; {kept}", file=sys.stderr)
        raise SystemExit(130) from None


def _meant(name: str, arguments: list[str]) -> tuple[str, list[str]]:
    """The command that other words stand for: a kind of model to train, a benchmark to evaluate
    on."""
    first = arguments[0] if arguments else ""
    name = SPELLINGS.get(name, name)
    if name in FIRST:
        arguments = _data_first(FIRST[name], arguments)
    if name == "search" and first == "compare":
        return "compare", arguments[1:]
    if name == "train" and first in LOSSES:
        return name, [LOSSES[first], *arguments[1:]]
    if name == "eval" and first and not Path(first).exists():
        from assay import components

        if first in components.names("benchmarks"):
            return "benchmark", arguments
    return name, arguments


def _data_first(option: str, arguments: list[str]) -> list[str]:
    """Put the data behind the choice at the head, where an old spelling names it by an option."""
    at = next((i for i, word in enumerate(arguments) if word == option), None)
    if at is None or at + 1 == len(arguments):
        return arguments
    print(f"note: the data comes first now, without {option}", file=sys.stderr)
    data = arguments[at + 1]
    rest = [*arguments[:at], *arguments[at + 2 :]]
    head = 0 if not rest or rest[0].startswith("-") else 1
    return [*rest[:head], data, *rest[head:]]


def _run(name: str, arguments: list[str]) -> None:
    import tyro

    module = importlib.import_module(f"assay.cli.{MODULES.get(name, name)}")
    commands = getattr(module, "COMMANDS", None)
    markers = (
        tyro.conf.CascadeSubcommandArgs,
        tyro.conf.HelptextFromCommentsOff,
        tyro.conf.OmitSubcommandPrefixes,
    )
    if commands is not None:
        command: Callable[[], None] = tyro.extras.subcommand_cli_from_dict(
            commands,
            prog=f"assay {name}",
            description=module.__doc__,
            args=arguments,
            config=markers,
        )
    else:
        # A command whose choices may be classes of one's own is made for the words at hand.
        made = module.command(arguments) if hasattr(module, "command") else module.Command
        default = _take_from(arguments, module.Command)
        command = tyro.cli(
            made, prog=f"assay {name}", args=arguments, default=default, config=markers
        )
    command()


def _take_from(arguments: list[str], into: type[Any]) -> Any:
    """Take `--from run.json` out of the arguments: its settings become the defaults."""
    from tyro import MISSING_NONPROP

    if "--from" not in arguments:
        return MISSING_NONPROP
    at = arguments.index("--from")
    if at + 1 == len(arguments):
        raise ConfigError("--from needs a run's folder or its run.json")
    from assay.runs.settings import read_run

    default = read_run(Path(arguments[at + 1]), into)
    del arguments[at : at + 2]
    return default


def _usage() -> str:
    lines = "\n".join(f"  {name:<11} {text}" for name, text in COMMANDS.items())
    head = "usage: assay COMMAND [OPTIONS]\n\nReward models: make them, use them, test them."
    return f"{head}\n\n{lines}\n\nassay COMMAND --help explains one."
