"""What the templates are given: a task as one annotator may see it, and nothing else of it.

No id of a task or response, no `hidden`, `gold`, `stratum` or `meta` is ever passed on; evidence
and suggestions are where the project is not blind.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from assay.annotate.labels import Label, Pair, Ranks, Steps
from assay.annotate.records import SKIPS, Assignment, Progress, Project
from assay.annotate.tasks import Evidence
from assay.annotate_app.forms import fields_of, place_shown
from assay.annotate_app.rendering import LONGEST, code, rich, tidy
from assay.errors import MissingExtra
from assay.questions import Option
from assay.types import Message, Response

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["PART", "progress_words", "static", "task_page", "template", "texts", "words_of"]

PART: Final = 100_000
"""Characters of a long text that are sent at a time."""
ROOM: Final = 200_000
"""Characters of one page that become markup; of texts behind them only the first `HEAD` do."""
HEAD: Final = 1_000
PEEK: Final = 80
"""Characters of a folded text that are shown."""
TITLES: Final = {
    "pair": "Which response is better?",
    "ranking": "Rank the responses: 1 is the best",
    "first-error": "Find the first wrong step",
    "every-step": "Mark every step",
    "questions": "Answer the questions",
}
TYPES: Final = {"js": "text/javascript", "css": "text/css"}


@dataclass(frozen=True)
class Piece:
    """One text as it is shown."""

    key: str
    """Where the rest is to be had (`texts`)."""
    markup: Markup
    start: int
    """Characters that are shown."""
    left: int
    """Characters that are not."""
    peek: str = ""
    """The first words, which stand for it where it is folded away."""


@dataclass(frozen=True)
class Turn:
    """One message: the piece that is read, and those that are folded away."""

    role: str
    said: Piece | None
    folded: Sequence[tuple[str, Piece]]
    note: str = ""


@dataclass
class _Pieces:
    """Cuts texts so that a page has an end."""

    texts: Mapping[str, str]
    room: int = ROOM

    def piece(self, key: str, *, language: str | None = None) -> Piece:
        """language: of code; None for Markdown."""
        text = self.texts[key]
        shown = text[: min(LONGEST, max(self.room, HEAD))]
        self.room -= len(shown)
        markup = rich(shown) if language is None else _listing(shown, language)
        peek = " ".join(shown[: 4 * PEEK].split())
        peek = peek if len(peek) <= PEEK else f"{peek[:PEEK].rstrip()} …"
        return Piece(key, markup, len(shown), len(text) - len(shown), peek)

    def turn(self, key: str, message: Message) -> Turn:
        """key: the address of the message's content."""
        folded = []
        if message.reasoning:
            folded.append(("Reasoning", self.piece(f"{key}.r")))
        for j, call in enumerate(message.tool_calls):
            folded.append((f"Calls {call.name}", self.piece(f"{key}.c{j}", language="json")))
        said = None
        if message.role in ("tool", "system", "developer"):
            name = {"tool": "Result"}.get(message.role, "Instructions to the model")
            label = f"{name} of {message.name}" if message.name else name
            folded.append((label, self.piece(key, language="" if name == "Result" else None)))
        elif message.content:
            said = self.piece(key)
        others = sum(part.get("type") not in (None, "text") for part in message.parts)
        note = f"{others} part{'s' * (others > 1)} that are no text, not shown" if others else ""
        return Turn(message.role, said, folded, note)


def _listing(text: str, language: str) -> Markup:
    return Markup('<pre class="code">{}</pre>').format(code(text, language))


def texts(assignment: Assignment, project: Project) -> dict[str, str]:
    """Return every text of a task that is shown, by its address on the page.

    p0 is the prompt's first message, r1 the second response shown, r1.t0 its first turn, s3 the
    fourth step; .r and .c0 behind a message are its reasoning and first call.
    """
    task = assignment.task
    found = dict(_messages("p", task.prompt.messages))
    if task.prompt.tools:
        found["tools"] = "\n".join(
            json.dumps(dict(tool), indent=2, ensure_ascii=False, default=str)
            for tool in task.prompt.tools
        )
    if project.references and task.prompt.reference:
        found["reference"] = task.prompt.reference
    for shown, place in enumerate(assignment.order):
        response = task.responses[place]
        found[f"r{shown}"] = response.text
        found |= _messages(f"r{shown}.t", response.turns)
        if task.kind == "steps":
            found |= {f"s{k}": step.strip("\n") for k, step in enumerate(response.steps)}
    return found


def _messages(prefix: str, messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
    for i, message in enumerate(messages):
        yield f"{prefix}{i}", message.content
        yield f"{prefix}{i}.r", message.reasoning or ""
        for j, call in enumerate(message.tool_calls):
            yield f"{prefix}{i}.c{j}", tidy(call.arguments)


def task_page(
    assignment: Assignment, project: Project, others: Sequence[tuple[str, Label]] = ()
) -> dict[str, Any]:
    """Return what the template of a task shows.

    others: what annotators said of it, by pseudonym, for who adjudicates.
    """
    task, pieces = assignment.task, _Pieces(texts(assignment, project))
    prompt = task.prompt
    title = TITLES[task.mode if task.kind == "steps" else task.kind]
    if task.kind == "questions" and len(task.questions) == 1:
        title = "Answer the question"
    open_hints = not project.blind
    shown: dict[str, Any] = {
        "kind": task.kind,
        "mode": task.mode,
        "title": title,
        "assignment": assignment.id,
        "purpose": "adjudicate" if assignment.purpose == "adjudicate" else "label",
        "reasons": project.reasons if task.kind == "pair" else (),
        "skips": SKIPS,
        "draft": fields_of(assignment.draft, assignment),
        "others": [(name, words_of(label, assignment)) for name, label in others],
        "suggestion": "",
        "prompt": [pieces.turn(f"p{i}", m) for i, m in enumerate(prompt.messages)],
        "tools": pieces.piece("tools", language="") if prompt.tools else None,
        "reference": pieces.piece("reference") if "reference" in pieces.texts else None,
        "questions": [
            {"text": q.text, "options": [_option(o) for o in q.options]} for q in task.questions
        ],
        "candidates": [],
        "steps": [],
        "after": [],
    }
    if open_hints and task.suggestion:
        shown["suggestion"] = words_of(task.suggestion, assignment)
    hints = task.evidence if open_hints else ()
    if task.kind == "steps":
        shown["steps"], shown["after"] = _steps(task.responses[0], pieces, hints)
        return shown
    for at, place in enumerate(assignment.order):
        response, turns = task.responses[place], task.responses[place].turns
        key = f"r{at}"
        shown["candidates"].append(
            {
                "name": _letter(at) if len(assignment.order) > 1 else "Response",
                "key": key,
                "piece": None if turns else pieces.piece(key),
                "turns": [pieces.turn(f"{key}.t{t}", turn) for t, turn in enumerate(turns)],
                "cut": not response.finished,
                "evidence": _bar(hints[place]) if hints else None,
            }
        )
    return shown


def _steps(
    response: Response, pieces: _Pieces, hints: Sequence[Evidence | None]
) -> tuple[list[dict[str, Any]], list[Turn]]:
    """Steps, each with the turns of others before it; and the turns behind the last."""
    steps: list[dict[str, Any]] = []
    before: list[Turn] = []
    for t, message in enumerate(response.turns):
        turn = pieces.turn(f"r0.t{t}", message)
        if message.role == "assistant":
            steps.append({"before": before, "turn": turn})
            before = []
        else:
            before.append(turn)
    if not response.turns:
        said = [pieces.piece(f"s{k}") for k in range(len(response.steps))]
        steps = [{"before": [], "turn": Turn("assistant", one, ())} for one in said]
    for step, hint in zip(steps, hints or [None] * len(steps), strict=True):
        step["evidence"] = _bar(hint)
    return steps, before


def _bar(hint: Evidence | None) -> dict[str, Any] | None:
    """Evidence in words and, on a scale of 0 to 100, as a bar."""
    if hint is None:
        return None
    words = f"{hint.source or 'machine'}: {hint.value:.2f}"
    low, high = hint.interval or (hint.value, hint.value)
    if hint.interval:
        words += f" [{low:.2f}, {high:.2f}]"
    return {
        "words": words,
        "value": f"{100 * hint.value:.1f}",
        "low": f"{100 * low:.1f}",
        "width": f"{100 * (high - low):.1f}",
    }


def _option(option: Option) -> tuple[str, str]:
    """A short name, and a description where there is one."""
    name = {"true": "yes", "false": "no"}.get(option.text, option.text)
    return (name if isinstance(option.name, bool) else option.text), option.description


def _letter(shown: int) -> str:
    return chr(ord("A") + shown)


def words_of(label: Label, assignment: Assignment) -> str:
    """A label as a reader of the page reads it: responses by the letters they have there."""
    strengths = {None: "", 1: ", slightly", 2: ", clearly", 3: ", much"}
    if isinstance(label, Pair):
        if label.choice in ("first", "second"):
            shown = place_shown(assignment, ("first", "second").index(label.choice))
            said = f"{_letter(shown)} is better{strengths[label.strength]}"
        else:
            said = {"tie": "a tie", "both_bad": "both are bad"}[label.choice]
        reasons = ", ".join(label.reasons)
        said += f" ({reasons})" if reasons else ""
    elif isinstance(label, Ranks):
        by_rank: dict[int, list[str]] = {}
        for place, rank in enumerate(label.ranks):
            by_rank.setdefault(rank, []).append(_letter(place_shown(assignment, place)))
        said = " > ".join(" = ".join(sorted(by_rank[rank])) for rank in sorted(by_rank))
    elif isinstance(label, Steps):
        said = _marked(label)
    else:
        said = "; ".join(
            f"{k}: {'cannot tell' if answer is None else _option(question.options[answer])[0]}"
            for k, (answer, question) in enumerate(
                zip(label.answers, assignment.task.questions, strict=True), start=1
            )
        )
    return f"{said}. {label.comment}" if label.comment else said


def _marked(label: Steps) -> str:
    """Which steps have which mark, what is wrong first."""
    said = []
    for mark, name in ((-1, "wrong"), (0, "neutral"), (1, "right")):
        steps = [k for k, one in enumerate(label.marks, start=1) if one == mark]
        if steps:
            said.append(f"{name}: step{'s' * (len(steps) > 1)} {', '.join(map(str, steps))}")
    if label.right_step:
        said.append(f"step {label.right_step[0] + 1} should be: {label.right_step[1]}")
    return "; ".join(said) or "no step is wrong"


def progress_words(progress: Progress) -> list[str]:
    """How far it is, in a few words each."""
    words = [f"{progress.done:,} done"]
    if progress.left is not None:
        words.append(f"{progress.left:,} left")
    if progress.skipped:
        words.append(f"{progress.skipped:,} skipped")
    if (pace := progress.seconds_per_label) is not None:
        words.append(f"{pace:.0f} s each" if pace < 90 else f"{pace / 60:.1f} min each")
    return words


@cache
def static(name: str) -> tuple[bytes, str, str] | None:
    """Bytes, type and version of a static file; None where there is none of that name."""
    if name not in ("annotate.js", "annotate.css"):
        return None
    data = resources.files("assay.annotate_app").joinpath("static", name).read_bytes()
    return data, TYPES[name.rsplit(".", 1)[1]], hashlib.sha256(data).hexdigest()[:12]


def template(name: str, **given: Any) -> bytes:
    """A page or a part of one. Half a character, which no page can hold, becomes "?"."""
    text = _environment().get_template(name).render(given)
    return text.encode("utf-8", "replace")


@cache
def _environment() -> "Environment":
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingExtra("the labelling page", "annotate") from error
    environment = Environment(
        loader=PackageLoader("assay.annotate_app"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["rich"] = rich
    environment.globals |= {
        "progress_words": progress_words,
        "version": lambda name: (static(name) or ("", "", ""))[2],
        "PART": PART,
    }
    return environment
