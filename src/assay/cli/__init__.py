"""`assay COMMAND`: only the chosen command's module is imported, so help is fast and needs no
torch."""

import importlib
import inspect
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from assay.cli.arguments import (
    SPELLINGS,
    check_numbers,
    check_word,
    defaults,
    meant,
    take_from,
    words_below,
)
from assay.cli.examples import example
from assay.console.completion import completion
from assay.console.failures import INTERRUPTED, explained, plain_output
from assay.console.first_word import nearest
from assay.console.spellings import today
from assay.console.warned import as_lines
from assay.errors import ConfigError

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
    "judge": "let a model judge: pairs, responses, rubrics, steps, typed questions",
    "audit": "report card of a reward: probes, worst texts, what to do next",
    "annotate": "let people label in a browser: pairs, rankings, steps, rubrics, questions",
    "arena": "who is better by votes: rate, run tournaments, compare judges' orders",
    "verify": "let a program check responses: math, numeric, code in a sandbox, rules",
    "search": "spend samples and scores on prompts: best-of-n, votes, beam, DVTS, MCTS",
    "compare": "several searches at several sizes: accuracy against tokens",
    "sft": "teach a policy good responses (SFT), before a reward model and RL",
    "rl": "train a policy against a reward (PPO, GRPO, RLOO ...), and watch the gold",
    "overopt": "how far to optimise against a proxy: gold against KL, its fit, and where to stop",
    "best-of-n": "best-of-n and votes over a pool of responses, beside their baselines",
    "serve": "serve scorers and judges over HTTP, in the dialects of RL frameworks",
    "runs": "list the runs under a folder, with a page that links to theirs",
    "models": "look at, check and fetch models",
    "worlds": "games whose reward is not what was meant: list them, play them",
    "plan": "memory, time, disk and money of a job before anything runs",
    "doctor": "what works on this machine, and what would make the rest work",
}

FROM: Final = "--from RUN, a run's folder or its run.json, makes that run's settings the defaults."

# One frozen dataclass a command, called without arguments; a module may offer several under
# `COMMANDS` of its own. A command's `--from run.json` reads its settings back.


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command. An error raised on purpose, or by the system, prints one line and exits with
    2; a bug keeps its traceback and exits with 1."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    plain_output()
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(version("assay"))
        return
    name = arguments[0]
    try:
        if name == "--print-completion":
            below = {command: words_below(command) for command in COMMANDS}
            print(completion(" ".join(arguments[1:]), below))
        elif name not in (*COMMANDS, *SPELLINGS):
            raise ConfigError(f"no command is called {nearest(name, COMMANDS)}")
        else:
            name, words = meant(name, arguments[1:])
            with as_lines(f"assay {name}"):
                _run(name, today(name, words))
    except BrokenPipeError:
        # The reader of a pipe (`| head`) went away; stop quietly, as other tools do.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
        _end(name, error, arguments)


def _end(name: str, error: BaseException, arguments: Sequence[str]) -> NoReturn:
    """Exit with a line, or for a bug with the traceback."""
    known = explained(error, arguments)
    if known is None:
        traceback.print_exception(error)
        print(
            f"assay {name}: this is a bug of assay's; report the lines above, and what `assay"
            " doctor` prints",
            file=sys.stderr,
        )
        raise SystemExit(1) from None
    code, line = known
    # After the ^C of a terminal.
    start = "\n" if code == INTERRUPTED else ""
    print(f"{start}assay {name}: {line}", file=sys.stderr)
    raise SystemExit(code) from None


def _run(name: str, arguments: list[str]) -> None:
    import tyro

    if "LOCAL_RANK" in os.environ and name not in ("train", "sft", "rl", "score"):
        # Each process would do all of the work, and write the same folder.
        from assay.training.parallel import refuse

        refuse(f"assay {name}")
    # Deprecations inside transformers are not for who runs a command; -W shows them.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if not sys.warnoptions:
        warnings.simplefilter("ignore", FutureWarning)
    module = importlib.import_module(f"assay.cli.{name.replace('-', '_')}")
    commands: dict[str, Any] | None = getattr(module, "COMMANDS", None)
    earlier = take_from(arguments)
    if earlier is None:
        # Where a command has words of its own, its first one need not be a sub-command.
        check_word(name, arguments, None if hasattr(module, "Command") else commands)
    prog, cls = f"assay {name}", getattr(module, "Command", None)
    for one in (commands or {}).values():
        # Where `run.json` says that the command stands, also of those that are made.
        setattr(module, one.__name__, one)
    classes = [*([cls] if cls else []), *(commands or {}).values()]
    if commands and arguments and arguments[0] in commands:
        word = arguments.pop(0)
        prog, cls = f"{prog} {word}", commands[word]
        classes = [cls]
    markers = (
        tyro.conf.CascadeSubcommandArgs,
        tyro.conf.HelptextFromCommentsOff,
        tyro.conf.OmitSubcommandPrefixes,
    )
    if cls is None and earlier is None:
        command: Callable[[], None] = tyro.extras.subcommand_cli_from_dict(
            commands or {},
            prog=prog,
            description=f"{inspect.cleandoc(module.__doc__ or '')}{example(prog)}",
            args=arguments,
            config=markers,
        )
    else:
        default = tyro.MISSING_NONPROP
        if earlier is not None:
            default = defaults(earlier, classes, getattr(module, "like", None))
            cls = type(default)
        assert cls is not None
        # A command's choices may be classes of the user's own, which the words at hand name.
        made: Any = module.command(arguments) if hasattr(module, "command") else cls
        command = tyro.cli(
            made,
            prog=prog,
            description=f"{inspect.cleandoc(cls.__doc__ or '')}{example(prog)}\n\n{FROM}",
            args=arguments,
            default=default,
            config=markers,
        )
    check_numbers(command)
    command()


def _usage() -> str:
    lines = "\n".join(f"  {name:<11} {text}" for name, text in COMMANDS.items())
    head = "usage: assay COMMAND [OPTIONS]\n\nReward models: make them, use them, test them."
    tail = (
        "assay COMMAND --help explains one. assay --print-completion bash (zsh, fish) prints a\n"
        "script that completes the names of commands."
    )
    return f"{head}\n\n{lines}\n\n{tail}"
