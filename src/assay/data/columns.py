"""Any row whose columns are named: what the layouts that differ in names only are made of.

A part of a record is found at a path: a column, `column.key.0` inside one, or `column.*.key` in
every entry of a list. A constant is written as JSON, `label=1` or `system="Be brief."`; `?` behind
a path lets rows lack it. Columns that no part names are the prompt's `meta`.

Two responses, `first` and `second`, come with a verdict: `winner` (a name, or 1 and 2), `choice` (0
and 1), `prefer` (the probability that the first is better), `strength` (negative where the first is
better) or `first_score` and `second_score`. Lists of `right` and `wrong` responses are graded 1 and
0. Columns under `has` tell a layout from others, and stay in `meta`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Literal, Self, get_args

from assay.chat import openai
from assay.data import conversations, fields, pairs, winners
from assay.data.records import prompt_of, responses_of
from assay.data.steps import joined, parted
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
    "system", "prompt", "input", "messages", "tools", "id", "reference",
    "solution", "opening", "chosen", "rejected", "margin", "chosen_score", "rejected_score",
    "response", "label", "score", "responses", "scores", "ranks", "steps", "labels",
    "first", "second", "winner", "choice", "prefer", "strength", "first_score", "second_score",
    "right", "wrong", "model", "first_model", "second_model", "has",
]  # fmt: skip
PARTS: Final = get_args(Part)
WORDS: Final = {"+": 1.0, "-": 0.0, "chosen": 1.0, "rejected": 0.0}
"""Labels that are words."""
BOTH: Final = ("first", "second"), ("first_score", "second_score"), ("right", "wrong")
"""Parts that are there together."""
MODELS: Final = {"response": "model", "first": "first_model", "second": "second_model"}
"""The part that names who gave a response."""
SIDES: Final = "chosen", "rejected"
LISTED: Final = "conversations", "messages", "trajectory"
"""Columns that hold messages, be it a single one."""
UNNAMED: Final = "columns"
"""The name of a layout that a user wrote."""
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
            if part not in PARTS:
                raise ConfigError(
                    f"{part!r} is no part of a record; name columns for {', '.join(PARTS)}"
                )
        there = dict(self.parts)
        if len(found := [part for part in winners.VERDICTS if part in there]) > 1:
            raise ConfigError(f"{' and '.join(found)} are several verdicts; name one column")
        for one, other in BOTH:
            if (one in there) != (other in there):
                raise ConfigError(f"{one} and {other} go together; name a column for each")

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
        return frozenset(path.removesuffix("?").partition(".")[0] for _, path in self.parts)

    @property
    def needs(self) -> frozenset[str]:
        """The columns that every row has to have."""
        return frozenset(
            path.partition(".")[0]
            for _, path in self.parts
            if not path.endswith("?") and _constant(path) is ABSENT
        )

    def matches(self, row: Mapping[str, Any]) -> bool:
        """All columns that are needed, down to the ends of their paths; and where there is a
        `prompt`, it is this layout's."""
        there = dict(self.parts)
        named = "prompt" in self.columns or not {"prompt", "messages", "rejected"} & there.keys()
        return (
            bool(self.parts)
            and all(
                path.endswith("?") or _fits(part, _found(row, path)) for part, path in self.parts
            )
            and (named or row.get("prompt") is None)
        )

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record: what it is, its parts tell."""
        said, rest = self._taken(row)
        if "rejected" in said:
            yield self._pair(said, rest)
            return
        prompt, answered = self._prompt(said, rest)
        yield self._record(prompt, answered, said)

    def _taken(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The parts of a record, and what is left of the row."""
        said: dict[str, Any] = {}
        rest: Any = dict(row)
        for part, path in self.parts:
            if part == "has":
                continue
            found = _found(row, path.removesuffix("?"))
            if found is ABSENT or (found is None and path.endswith("?")):
                if path.endswith("?"):
                    continue
                fields.value(row, path)
            said[part] = found
            rest = _without(rest, _keys(row, path.removesuffix("?")))
        return said, rest

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
        elif "prompt" in said and not {"first", "right"}.isdisjoint(said):
            turns = pairs.prompted(said["prompt"], "prompt")
        elif "prompt" in said:
            turns = conversations.turns(said, "prompt")
        else:
            raise ConfigError(
                f"{self.name} names no column for the prompt: prompt=... or messages=..."
            )
        if said.get("input"):
            question = f"{turns[-1].content}\n{fields.text(said, 'input')}"
            turns = (*turns[:-1], fields.make(Message, role="user", content=question))
        if said.get("system"):
            turns = pairs.instructed(turns, fields.text(said, "system"))
        known = {key: said[key] for key in ("tools",) if key in said}
        for key in ("id", "reference"):
            if said.get(key) is not None:
                known[key] = _as_text(said[key])
        return fields.prompt(turns, {**rest, **known}), answered

    def _record(
        self, prompt: Prompt, answered: Sequence[Message], said: Mapping[str, Any]
    ) -> Record:
        """The record that these parts make."""
        if "first" in said:
            return self._judged(prompt, said)
        if "right" in said:
            return _sorted(prompt, said)
        if "responses" in said:
            return self._pool(prompt, said)
        if "steps" in said:
            return self._steps(prompt, said)
        if "response" in said:
            response = self._response(prompt, said, "response")
        elif answered:
            response = conversations.response(answered)
        else:
            return prompt
        if "label" in said:
            label = _label(said["label"], "label")
            if not response.steps:
                raise DataError("field 'response': an empty response has no step to label")
            return StepLabels.outcome(prompt, response, label)
        if "score" in said:
            grades = (fields.amount(said["score"], "score"),)
            return fields.make(Ranking, prompt=prompt, responses=(response,), grades=grades)
        return fields.make(Group, prompt=prompt, responses=(response,))

    def _judged(self, prompt: Prompt, said: Mapping[str, Any]) -> Group:
        """Two responses, and which is better where the row says it."""
        pair = tuple(self._response(prompt, said, side) for side in ("first", "second"))
        found = winners.verdict(said, dict(self.parts))
        if found is None:
            return fields.make(Group, prompt=prompt, responses=pair)
        prefer, margin = found
        return fields.make(Preference, prompt=prompt, responses=pair, prefer=prefer, margin=margin)

    def _response(self, prompt: Prompt, said: Mapping[str, Any], part: str) -> Response:
        """A response, and who gave it: a text, messages, or a list of steps."""
        value, model = fields.value(said, part), said.get(MODELS[part])
        meta = {} if model is None else {"model": model}
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            return fields.make(Response, steps=joined(value, self.separator), meta=meta)
        return conversations.reply(value, prompt.messages, part, meta=meta)

    def _pool(self, prompt: Prompt, said: Mapping[str, Any]) -> Group:
        found = fields.parsed(fields.value(said, "responses"))
        if not isinstance(found, list):
            raise fields.wrong("responses", "a list of responses", found)
        responses = tuple(
            conversations.reply(each, prompt.messages, f"responses.{i}")
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
            grades = tuple(sign * fields.amount(v, f"{part}.{i}") for i, v in enumerate(values))
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
        chosen_first = "chosen" in dict(self.parts)
        for record in fields.oriented(records) if chosen_first else records:
            yield from fields.written(self, [record], type(record), self._row)

    def _row(self, record: Record) -> dict[str, Any]:
        there = dict(self.parts)
        said = _said(record, there, self.separator)
        prompt = prompt_of(record)
        known = {"id", "reference", "tools"} & there.keys()
        row: dict[str, Any] = fields.rest(fields.columns(prompt), *known) | dict(prompt.meta)
        if {"prompt": "conversations", "messages": "conversations"}.items() & there.items():
            said = _as_sharegpt(said)
        for part, path in self.parts:
            if part in said and _constant(path) is ABSENT:
                row = _with(row, path.removesuffix("?").split("."), said[part])
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
    if "input" in there:
        said["input"] = ""
    if prompt.tools:
        said["tools"] = [dict(tool) for tool in prompt.tools]
    said |= {key: value for key in ("id", "reference") if (value := getattr(prompt, key))}
    asked: Any = conversations.column(turns)
    if there.get("prompt", "").rpartition(".")[2] in LISTED:
        asked = [openai(turn) for turn in turns]
    chat = not isinstance(asked, str)
    if "messages" in there:
        replied = [conversations.said(each, chat=True) for each in responses_of(record)[:1]]
        said["messages"] = [*map(openai, turns), *chain.from_iterable(replied)]
    else:
        said["prompt"] = asked
    sides = ("first", "second") if isinstance(record, Preference) else ("response",)
    for side, response in zip(sides, responses_of(record), strict=False):
        if "model" in response.meta:
            said[MODELS[side]] = response.meta["model"]
    if isinstance(record, Preference) and "first" in there:
        said |= _said_of_judged(record, chat)
    elif isinstance(record, Preference):
        said |= _said_of_pair(record, there, turns, chat)
    elif isinstance(record, Group):
        written = [conversations.said(each, chat=chat) for each in record.responses]
        said["responses"] = written
        if len(written) == 1:
            said["response"] = written[0]
        if isinstance(record, Ranking):
            said["scores"] = list(record.grades)
            said["ranks"] = [-grade for grade in record.grades]
            said["score"] = record.grades[0] if record.grades else None
            graded = list(zip(written, record.grades, strict=True))
            said["right"] = [each for each, grade in graded if grade == 1]
            said["wrong"] = [each for each, grade in graded if grade == 0]
    elif isinstance(record, StepLabels):
        said["response"] = conversations.said(record.response, chat=chat)
        said["label"] = record.labels[-1] if record.labels else None
        said["steps"] = parted(record.response.steps, separator)
        said["labels"] = list(record.labels)
    return said


def _said_of_judged(record: Preference, chat: bool) -> dict[str, Any]:
    """The parts of a pair that was judged."""
    said = winners.said(record.prefer, record.margin)
    for side, response in zip(("first", "second"), record.responses, strict=True):
        said[side] = conversations.said(response, chat=chat)
    return said


def _sorted(prompt: Prompt, said: Mapping[str, Any]) -> Ranking:
    """Right and wrong responses, graded 1 and 0; one that stands alone need be no list."""
    responses, grades = [], []
    for part, grade in (("right", 1.0), ("wrong", 0.0)):
        found = said[part] if isinstance(said[part], list) else [said[part]]
        for i, each in enumerate(found):
            responses.append(conversations.reply(each, prompt.messages, f"{part}.{i}"))
            grades.append(grade)
    return fields.make(Ranking, prompt=prompt, responses=tuple(responses), grades=tuple(grades))


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
        changes["meta"] = {"score": fields.amount(said[f"{side}_score"], f"{side}_score")}
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
    margin = fields.amount(said["chosen_score"], "chosen_score") - fields.amount(
        said["rejected_score"], "rejected_score"
    )
    if margin < 0:
        raise DataError("field 'rejected_score': the rejected response has the higher score")
    return margin


def _label(value: Any, field: str) -> float:
    """A label in [0, 1]; true is 1, and so is "+"."""
    if isinstance(value, str) and value in WORDS:
        return WORDS[value]
    return fields.amount(value, field)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _constant(path: str) -> Any:
    """The value of a path that is JSON; `ABSENT` for the name of a column."""
    try:
        return json.loads(path)
    except ValueError:
        return ABSENT


def _fits(part: str, value: Any) -> bool:
    """There is something, and it is not a single response where all wrong ones are named."""
    listed = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return listed if part == "wrong" else value is not ABSENT


def _keys(row: Mapping[str, Any], path: str) -> list[str]:
    """The keys down a path: a column of just that name comes first."""
    if _constant(path) is not ABSENT:
        return []
    return [path] if path in row else path.split(".")


def _found(row: Mapping[str, Any], path: str) -> Any:
    """What is at the end of a path; `ABSENT` where it breaks off."""
    if (constant := _constant(path)) is not ABSENT:
        return constant
    return _at(row, _keys(row, path))


def _at(value: Any, keys: Sequence[str]) -> Any:
    """What is down these keys; of every entry of a list where a key is *."""
    if not keys:
        return value
    key, *more = keys
    value = fields.parsed(value)
    if isinstance(value, dict) and key in value:
        return _at(value[key], more)
    if isinstance(value, list) and key == "*":
        every = [_at(each, more) for each in value]
        return ABSENT if ABSENT in every else every
    if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
        return _at(value[int(key)], more)
    return ABSENT


def _without(value: Any, keys: Sequence[str]) -> Any:
    """A row without what is at the end of a path; places in lists stay."""
    if isinstance(value, list) and keys[:1] == ["*"]:
        every = [_without(each, keys[1:]) for each in value]
        return every if keys[1:] and any(every) else []
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
