"""Any row whose columns are named: what the layouts that differ in names only are made of.

A part of a record is found at a path: a column, or `column.key.0` inside one; of `a|b`, the first
that a row has. A constant is written as JSON, `label=1` or `system="Be brief."`; `?` behind a path
lets rows lack it. Columns that no part names are the prompt's `meta`; `each.NAME=column` is what a
column says of each response, for the responses'.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Literal, Self, get_args

from assay.chat import openai
from assay.data import conversations, fields, pairs
from assay.data.records import prompt_of, responses_of
from assay.data.solutions import MARK, stated
from assay.data.steps import joined, marked, parted
from assay.errors import ConfigError, DataError
from assay.types import (
    Group,
    Message,
    Preference,
    Prompt,
    Ranking,
    Record,
    Response,
    StepLabels,
)

__all__ = ["Columns"]

Part = Literal[
    "system", "history", "prompt", "input", "messages", "tools", "id", "reference", "solution",
    "boxed", "opening", "chosen", "rejected", "margin", "chosen_score", "rejected_score",
    "response", "label", "score", "responses", "scores", "ranks", "finished", "stop", "steps",
    "labels",
]  # fmt: skip
PARTS: Final = get_args(Part)
EACH: Final = "each."
"""Before the name that a column about each response has in their `meta`."""
ANSWERED: Final = frozenset(("messages", "chosen", "response", "responses", "steps"))
"""Parts that hold an answer: a layout without one is of prompts."""
ANSWERS: Final = frozenset(
    "candidates chosen completion completions generated_solution generation generations output"
    " outputs rejected response responses steps".split()
)
"""Columns that hold answers elsewhere: what has one is no row of prompts."""
JUDGED: Final = frozenset(("chosen", "label", "labels", "rejected"))
"""Columns that judge an answer elsewhere, and the parts that do here."""
JUDGING: Final = JUDGED | {"score", "scores", "ranks"}
CONTEXT: Final = pairs.CONTEXT | frozenset(
    "audio body image images paragraph picture premise story table video videos".split()
)
"""Columns that a question may need to be understood."""
SIDES: Final = "chosen", "rejected"
LISTED: Final = "conversations", "messages", "trajectory"
"""Columns that hold messages, be it a single one."""
UNNAMED: Final = "columns"
"""The name of a layout that a user wrote."""
NO_ANSWER: Final = frozenset(("notfound", "proof"))
"""NuminaMath's words for an answer where there is none."""
ABSENT: Final = object()


@dataclass(frozen=True, kw_only=True)
class Columns:
    """{any columns}, named by hand: --columns prompt=question,chosen=answer_a,rejected=answer_b."""

    parts: tuple[tuple[str, str], ...] = ()
    """Pairs of a part and its path; by hand, `--columns` gives them."""
    name: str = UNNAMED
    """What the layout is called."""
    separator: str = "\n"
    """Text between two steps."""

    def __post_init__(self) -> None:
        for part, _ in self.parts:
            if part not in PARTS and not part.startswith(EACH):
                raise ConfigError(
                    f"{part!r} is no part of a record; name columns for {', '.join(PARTS)}, or"
                    f" {EACH}NAME"
                )

    @classmethod
    def of(cls, text: str, name: str = UNNAMED) -> Self:
        """Read `prompt=question,chosen=answer_a`. A comma or an equals sign in a name is written
        with a backslash."""
        parts = []
        for piece in _split(text, ","):
            part, *path = _split(piece, "=")
            if not path or not path[0]:
                raise ConfigError(f"{piece!r} is no PART=COLUMN, e.g. prompt=question")
            parts.append((part.strip(), "=".join(path).strip()))
        return cls(parts=tuple(parts), name=name)

    @property
    def columns(self) -> frozenset[str]:
        """The columns that are read."""
        return frozenset(
            name.partition(".")[0]
            for _, path in self.parts
            for name in path.removesuffix("?").split("|")
        )

    def lacks(self, row: Mapping[str, Any]) -> set[str]:
        """Return the columns that a row would need, down to the ends of their paths."""
        return {
            path.split("|")[0]
            for _, path in self.parts
            if not path.endswith("?") and _found(row, path) is ABSENT
        }

    def matches(self, row: Mapping[str, Any]) -> bool:
        """All columns that are needed, and no mark of another layout."""
        return bool(self.parts) and not self.lacks(row) and not self._elsewhere(row)

    def _elsewhere(self, row: Mapping[str, Any]) -> bool:
        """Marks of another layout: a prompt, answers and judgements that this one would pass over,
        several answers for one, GSM8K's line before an answer, and labels in a conversation."""
        there = dict(self.parts)
        asked = not {"prompt", "messages", "rejected"}.isdisjoint(there)
        if asked and "prompt" not in self.columns and row.get("prompt") is not None:
            return True
        if self.name == UNNAMED:
            return False
        passed_over: frozenset[str] = frozenset() if ANSWERED & there.keys() else ANSWERS
        if not JUDGING & there.keys():
            passed_over |= JUDGED
        if passed_over & row.keys() - self.columns:
            return True
        if "response" in there and _texts(_found(row, there["response"])):
            return True
        if "reference" in there and MARK.strip() in str(_found(row, there["reference"])):
            return True
        return "messages" in there and marked(_found(row, there["messages"]))

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record: what it is, its parts tell."""
        said, rest = self._taken(row)
        if "rejected" in said:
            yield self._pair(said, rest)
            return
        self._check(said, rest)
        prompt, answered = self._prompt(said, rest)
        yield self._record(prompt, answered, said)

    def _taken(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The parts of a record, and what is left of the row."""
        said: dict[str, Any] = {}
        rest: Any = dict(row)
        for part, path in self.parts:
            found = _found(row, path.removesuffix("?"))
            if found is ABSENT or (found is None and path.endswith("?")):
                if path.endswith("?"):
                    continue
                fields.value(row, path)
            said[part] = found
            rest = _without(rest, _keys(row, path.removesuffix("?")))
        return said, rest

    def _check(self, said: Mapping[str, Any], rest: Mapping[str, Any]) -> None:
        """Refuse a row that says more of its question than is read, unless columns are named by
        hand."""
        if self.name == UNNAMED or not isinstance(said.get("prompt"), str):
            return
        path = dict(self.parts)["prompt"]
        for name in path.split("|"):
            if isinstance(rest.get(name), str) and rest[name] != said["prompt"]:
                raise DataError(
                    f"column {name!r} could be the prompt, too; say which one is, as in"
                    f" --columns prompt={name},..."
                )
        for name, value in rest.items():
            if value and name.lower() in CONTEXT:
                raise DataError(
                    f"column {name!r} looks like a part of the question, and {self.name} does not"
                    f" read it; name the columns that make the prompt, as in --columns"
                    f" prompt=...,input={name},..."
                )

    def _pair(self, said: Mapping[str, Any], rest: Mapping[str, Any]) -> Preference:
        """A chosen and a rejected answer."""
        if "messages" in said:  # the last one is the chosen answer
            given = conversations.unpacked(said["messages"], "messages")
            *asked, answer = fields.mappings({"messages": given}, "messages") or [{}]
            said = {**fields.rest(said, "messages"), "prompt": asked, "chosen": answer}
        turns, pair = pairs.pair(said, rest)
        if self.name != UNNAMED:
            pairs.unread(said, rest)
            if turns[-1].role == "assistant":
                raise DataError(
                    "the conversation before the answers ends with the assistant's turn; end it"
                    " with the user's"
                )
        prompt, _ = self._prompt(said, rest, turns)
        responses = [_detailed(each, side, said) for each, side in zip(pair, SIDES, strict=True)]
        return fields.make(
            Preference, prompt=prompt, responses=responses, prefer=1.0, margin=_margin(said)
        )

    def _prompt(
        self,
        said: Mapping[str, Any],
        rest: Mapping[str, Any],
        turns: tuple[Message, ...] = (),
    ) -> tuple[Prompt, tuple[Message, ...]]:
        """The prompt, and the messages that answer it where the row is one conversation."""
        answered: tuple[Message, ...] = ()
        if turns:
            pass
        elif "messages" in said:
            turns = conversations.turns(said, "messages")
            asked = max((i for i, turn in enumerate(turns) if turn.role == "user"), default=-1)
            turns, answered = turns[: asked + 1], turns[asked + 1 :]
        elif "prompt" in said:
            turns = conversations.turns(said, "prompt")
        else:
            raise ConfigError(
                f"{self.name} names no column for the prompt: prompt=... or messages=..."
            )
        if said.get("history"):
            turns = (*_history(said["history"]), *turns)
        if said.get("input"):
            question = f"{turns[-1].content}\n{fields.text(said, 'input')}"
            turns = (*turns[:-1], fields.make(Message, role="user", content=question))
        if said.get("system"):
            turns = pairs.instructed(turns, fields.text(said, "system"))
        if not turns:
            raise DataError("the conversation has no message of a user before the answer")
        known = {key: said[key] for key in ("tools", "solution") if key in said}
        if said.get("id") is not None:
            known["id"] = _as_text(said["id"])
        known |= self._reference(said)
        return fields.prompt(turns, {**rest, **known}), answered

    def _reference(self, said: Mapping[str, Any]) -> dict[str, str]:
        """The reference answer, and the solution that states it; none where a set says that there
        is none to state."""
        if "boxed" in said:
            solution = fields.text(said, "boxed")
            return {"reference": stated(solution, "solution"), "solution": solution}
        if said.get("reference") is None:
            return {}
        answer = fields.reference(said["reference"])
        if not answer.strip():
            raise DataError("field 'reference': it is empty; null says that there is none")
        known_to_lack = self.name != UNNAMED and answer in NO_ANSWER
        return {"answer" if known_to_lack else "reference": answer}

    def _record(
        self, prompt: Prompt, answered: Sequence[Message], said: Mapping[str, Any]
    ) -> Record:
        """The record that these parts make."""
        messages = prompt.messages
        if "responses" in said:
            return self._pool(prompt, said)
        if "steps" in said:
            return self._steps(prompt, said)
        if "response" in said:
            response = conversations.reply(said["response"], messages, "response", **_more(said))
        elif answered:
            response = conversations.response(answered, **_more(said))
        else:
            return prompt
        if "label" in said:
            label = _label(said["label"], "label")
            if not response.steps:
                raise DataError("field 'response': an empty response has no step to label")
            return StepLabels.outcome(prompt, response, label)
        if "score" in said:
            grades = (_number(said["score"], "score"),)
            return fields.make(Ranking, prompt=prompt, responses=(response,), grades=grades)
        return fields.make(Group, prompt=prompt, responses=(response,))

    def _pool(self, prompt: Prompt, said: Mapping[str, Any]) -> Group:
        found = fields.parsed(fields.value(said, "responses"))
        if not isinstance(found, list):
            raise fields.wrong("responses", "a list of responses", found)
        more = [_more(said, i, len(found)) for i in range(len(found))]
        responses = tuple(
            conversations.reply(each, prompt.messages, f"responses.{i}", **more[i])
            for i, each in enumerate(found)
        )
        for part, sign in (("scores", 1.0), ("ranks", -1.0)):
            if part not in said:
                continue
            values = fields.parsed(said[part])
            if not isinstance(values, list) or len(values) != len(responses):
                raise DataError(
                    f"field {part!r}: expected a number for each of the {len(responses)} responses"
                )
            grades = tuple(sign * _number(v, f"{part}.{i}") for i, v in enumerate(values))
            return fields.make(Ranking, prompt=prompt, responses=responses, grades=grades)
        return fields.make(Group, prompt=prompt, responses=responses)

    def _steps(self, prompt: Prompt, said: Mapping[str, Any]) -> StepLabels:
        steps, labels = fields.texts(said, "steps"), fields.parsed(said.get("labels"))
        if not isinstance(labels, list) or len(labels) != len(steps):
            raise DataError(f"field 'labels': expected a label for each of the {len(steps)} steps")
        return fields.make(
            StepLabels,
            prompt=prompt,
            response=fields.make(Response, steps=joined(steps, self.separator)),
            labels=tuple(
                None if label is None else _label(label, f"labels.{i}")
                for i, label in enumerate(labels)
            ),
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Records of the kind that the parts make, each read back unchanged."""
        for record in fields.oriented(records):
            yield from fields.written(self, [record], type(record), self._row)

    def _row(self, record: Record) -> dict[str, Any]:
        there = dict(self.parts)
        said = _said(record, there, self.separator)
        prompt = prompt_of(record)
        known = {"id", "reference", "tools", "solution"} & there.keys()
        if "boxed" in there:
            known |= {"reference", "solution"}
        row: dict[str, Any] = fields.rest(fields.columns(prompt), *known)
        if {"prompt": "conversations", "messages": "conversations"}.items() & {
            part: path.split("|")[0] for part, path in there.items()
        }.items():
            said = _as_sharegpt(said)
        for part, path in self.parts:
            if part in said and _constant(path) is ABSENT:
                first = path.removesuffix("?").split("|")[0]
                row = _with(row, first.split("."), said[part])
        return row


def _said(record: Record, there: Mapping[str, str], separator: str) -> dict[str, Any]:
    """The parts of a record, as its row has them."""
    prompt = prompt_of(record)
    turns = prompt.messages
    said: dict[str, Any] = {}
    if "system" in there and turns and turns[0].role == "system":
        said["system"], turns = turns[0].content, turns[1:]
    elif "system" in there and not there["system"].endswith("?"):
        said["system"] = ""
    if "history" in there and (pairs := _pairs(turns[:-1])):
        said["history"], turns = pairs, turns[-1:]
    if "input" in there:
        said["input"] = ""
    if prompt.tools:
        said["tools"] = [dict(tool) for tool in prompt.tools]
    said |= {key: value for key in ("id", "reference") if (value := getattr(prompt, key))}
    if "solution" in prompt.meta:
        said["solution"] = said["boxed"] = prompt.meta["solution"]
    asked: Any = conversations.column(turns)
    if there.get("prompt", "").rpartition(".")[2] in LISTED:
        asked = [openai(turn) for turn in turns]
    chat = not isinstance(asked, str)
    if "messages" in there:
        replied = [conversations.said(each, chat=True) for each in responses_of(record)[:1]]
        said["messages"] = [*map(openai, turns), *chain.from_iterable(replied)]
    else:
        said["prompt"] = asked
    if isinstance(record, Preference):
        said |= _said_of_pair(record, there, turns, chat)
    elif isinstance(record, Group):
        written = [conversations.said(each, chat=chat) for each in record.responses]
        said["responses"] = written
        said |= _details(record.responses, there)
        if len(written) == 1:
            said["response"] = written[0]
        if isinstance(record, Ranking):
            said["scores"] = list(record.grades)
            said["ranks"] = [-grade for grade in record.grades]
            said["score"] = record.grades[0] if record.grades else None
    elif isinstance(record, StepLabels):
        said["response"] = conversations.said(record.response, chat=chat)
        said["label"] = record.labels[-1] if record.labels else None
        said["steps"] = parted(record.response.steps, separator)
        said["labels"] = list(record.labels)
    return said


def _more(said: Mapping[str, Any], index: int | None = None, count: int = 0) -> dict[str, Any]:
    """Return a response's other fields: the row's own, or those of one of several."""
    found: dict[str, Any] = {}
    for part, value in said.items():
        if value is None or not (part in ("finished", "stop") or part.startswith(EACH)):
            continue
        value = fields.parsed(value)
        if index is not None:
            if not isinstance(value, list) or len(value) != count:
                raise DataError(f"field {part!r}: expected a list with one for each of {count}")
            value = value[index]
        if part.startswith(EACH):
            found.setdefault("meta", {})[part.removeprefix(EACH)] = value
        elif value is not None:
            found[part] = value
    return found


def _details(responses: Sequence[Response], there: Mapping[str, str]) -> dict[str, Any]:
    """Return what `_more` reads back."""
    found: dict[str, list[Any]] = {"finished": [each.finished for each in responses]}
    if any(each.stop is not None for each in responses):
        found["stop"] = [each.stop for each in responses]
    for part in there:
        name = part.removeprefix(EACH)
        if part.startswith(EACH) and any(name in each.meta for each in responses):
            found[part] = [each.meta.get(name) for each in responses]
    several = "responses" in there or not responses
    return found if several else {part: each[0] for part, each in found.items()}


def _history(value: object) -> list[Message]:
    """Turns before a question, as pairs of what was asked and what was answered."""
    if not isinstance(value, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(each, str) for each in pair)
        for pair in value
    ):
        raise fields.wrong("history", "a list of pairs [question, answer]", value)
    return [
        Message(role="assistant" if i else "user", content=text)
        for pair in value
        for i, text in enumerate(pair)
    ]


def _pairs(turns: Sequence[Message]) -> list[list[str]]:
    """The inverse of `_history`; none where the turns are no such pairs."""
    texts = [turn.content for turn in turns]
    pairs = [texts[i : i + 2] for i in range(0, len(texts) - 1, 2)]
    return pairs if _history(pairs) == list(turns) else []


def _as_sharegpt(said: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a record, with messages as a column of the name `conversations` has them."""
    row = dict(said)
    for part in ("prompt", "messages"):
        if part in said:
            turns = conversations.turns(said, part)
            row[part] = [conversations.sharegpt(turn) for turn in turns]
    for side in SIDES:
        if side in said:
            reply = said[side]
            turns = conversations.turns({side: reply}, side)
            if len(turns) > 1:
                raise DataError("ShareGPT has a single message for an answer")
            if isinstance(reply, str):
                turns = (Message(role="assistant", content=reply),)
            (row[side],) = map(conversations.sharegpt, turns)
    if "tools" in said:
        row["tools"] = json.dumps(said["tools"], ensure_ascii=False)
    return row


def _detailed(response: Response, side: str, said: Mapping[str, Any]) -> Response:
    """An answer with its score, and with what both begin with as a step of its own."""
    changes: dict[str, Any] = {}
    if said.get(f"{side}_score") is not None:
        changes["meta"] = {"score": _number(said[f"{side}_score"], f"{side}_score")}
    if said.get("opening"):
        if response.turns:
            raise DataError(f"field {side!r}: messages cannot go on from the text before them")
        changes["steps"] = (fields.text(said, "opening"), *response.steps)
    return response.model_copy(update=changes)


def _said_of_pair(
    record: Preference, there: Mapping[str, str], asked: Sequence[Message], chat: bool
) -> dict[str, Any]:
    """The parts of a pair; the answers as whole conversations where the prompt is no part."""
    said: dict[str, Any] = {}
    responses = record.responses
    first, second = (response.steps for response in responses)
    if "opening" in there:
        shared = len(first) == len(second) == 2 and first[0] == second[0]
        said["opening"] = first[0] if shared else ""
        if shared:
            responses = tuple(Response(steps=each.steps[1:]) for each in responses)
    for side, response in zip(SIDES, responses, strict=True):
        said[side] = conversations.said(
            response, chat=chat and not there.get(side, "").endswith("response")
        )
        if {"prompt", "messages"}.isdisjoint(there):
            replied = conversations.said(response, chat=True)
            said[side] = [*map(openai, asked), *replied]
        if f"{side}_score" in there and "score" in response.meta:
            said[f"{side}_score"] = response.meta["score"]
    if record.margin is not None:
        said["margin"] = record.margin
    return said


def _margin(said: Mapping[str, Any]) -> float | None:
    if said.get("margin") is not None:
        return fields.number(said["margin"], "margin")
    if said.get("chosen_score") is None or said.get("rejected_score") is None:
        return None
    margin = _number(said["chosen_score"], "chosen_score") - _number(
        said["rejected_score"], "rejected_score"
    )
    if margin < 0:
        raise DataError("field 'rejected_score': the rejected response has the higher score")
    return margin


def _label(value: Any, field: str) -> float:
    """A label in [0, 1]; true is 1, and so is "+"."""
    if value in ("+", "-"):
        return float(value == "+")
    return fields.share(value, field)


def _number(value: Any, field: str) -> float:
    """A number; true is 1 and false is 0."""
    return float(value) if isinstance(value, bool) else fields.number(value, field)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _constant(path: str) -> Any:
    """The value of a path that is JSON; `ABSENT` for the name of a column."""
    try:
        return json.loads(path)
    except ValueError:
        return ABSENT


def _texts(value: object) -> bool:
    """A list of texts, which is no message."""
    return isinstance(value, list) and any(isinstance(each, str) for each in value)


def _keys(row: Mapping[str, Any], path: str) -> list[str]:
    """The keys down a path: a column of just that name comes first, and of alternatives one that
    says something."""
    if _constant(path) is not ABSENT:
        return []
    if path in row or "|" not in path:
        return [path] if path in row else path.split(".")
    there = [name for name in path.split("|") if _found(row, name) is not ABSENT]
    spoken = [name for name in there if _found(row, name) is not None]
    return _keys(row, [*spoken, *there, path.split("|")[0]][0])


def _found(row: Mapping[str, Any], path: str) -> Any:
    """What is at the end of a path; `ABSENT` where it breaks off."""
    path = path.removesuffix("?")
    if (constant := _constant(path)) is not ABSENT:
        return constant
    value: Any = row
    for key in _keys(row, path):
        value = fields.parsed(value)
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return ABSENT
    return value


def _without(value: Any, keys: Sequence[str]) -> Any:
    """A row without what is at the end of a path; places in lists stay."""
    if not keys or not isinstance(value, dict) or keys[0] not in value:
        return value
    key, *more = keys
    rest = {name: each for name, each in value.items() if name != key}
    inner = _without(value[key], more) if more else {}
    return {**rest, key: inner} if inner and more else rest


def _with(row: Mapping[str, Any], keys: Sequence[str], value: Any) -> dict[str, Any]:
    """A row with a value at the end of a path."""
    key, *more = keys
    inner = row.get(key)
    return {
        **row,
        key: _with(inner if isinstance(inner, dict) else {}, more, value) if more else value,
    }


def _split(text: str, at: str) -> list[str]:
    """Pieces between separators; a backslash takes the meaning off the one behind it, and what
    stands in double quotes is one piece."""
    pieces, quoted, i = [""], False, 0
    while i < len(text):
        if text[i] == "\\" and i + 1 < len(text) and text[i + 1] in ",=\\":
            pieces[-1] += text[i + 1] if at == "=" else text[i : i + 2]
            i += 2
            continue
        quoted ^= text[i] == '"'
        if text[i] == at and not quoted:
            pieces.append("")
        else:
            pieces[-1] += text[i]
        i += 1
    return pieces
