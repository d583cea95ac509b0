"""Any row whose columns are named: what the layouts that differ in names only are made of.

A part of a record is found at a path: a column, `column.key.0` inside one, or `column.*.key` in
every entry of a list; of `a|b`, the first that a row has. A constant is written as JSON, `label=1`
or `system="Be brief."`; `?` behind a path lets rows lack it. Columns that no part names are the
prompt's `meta`; `each.NAME=column` is what a column says of each response, for the responses'.

Two responses, `first` and `second`, come with a verdict: `winner` (a name, or 1 and 2), `choice` (0
and 1), `prefer` (the probability that the first is better), `strength` (negative where the first is
better) or `first_score` and `second_score`. Lists of `right` and `wrong` responses are graded 1 and
0. Columns under `has` tell a layout from others, and stay in `meta`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Final, Literal, Self, get_args

from assay.data import conversations, fields, hints, pairs, paths, trajectories, winners
from assay.data.records import prompt_of
from assay.data.solutions import MARK, stated
from assay.data.steps import joined, marked
from assay.data.written import EACH, SIDES, as_sharegpt, history, parts_of
from assay.errors import ConfigError, DataError, did_you_mean
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
    "response", "label", "score", "responses", "scores", "ranks", "finished", "stop",
    "steps", "labels",
    "first", "second", "winner", "choice", "prefer", "strength", "first_score", "second_score",
    "right", "wrong", "first_model", "second_model", "has",
]  # fmt: skip
PARTS: Final = get_args(Part)
ANSWERED: Final = frozenset(
    ("messages", "chosen", "rejected", "response", "responses", "steps", "first", "right")
)
"""Parts that hold an answer: a layout without one is of prompts."""
ANSWERS: Final = frozenset(
    "candidates chosen completion completions generated_solution generation generations output"
    " outputs rejected response responses steps".split()
)
"""Columns that hold answers elsewhere: what has one is no row of prompts."""
JUDGED: Final = frozenset(("chosen", "correct", "is_correct", "label", "labels", "rejected"))
"""Columns that judge an answer elsewhere."""
GRADED: Final = JUDGED | {"correctness", "grades", "ranks", "ratings", "rewards", "scores"}
"""Columns that judge several answers elsewhere."""
JUDGING: Final = frozenset(
    ("chosen", "rejected", "label", "labels", "score", "scores", "ranks", "first", "right")
)
"""Parts that judge an answer."""
NUMBER: Final = re.compile(r"[ _]?([ab]|\d)$")
"""What tells the columns of two answers apart."""
NO_ANSWER: Final = frozenset(("notfound", "proof"))
"""NuminaMath's words for an answer where there is none."""
WORDS: Final = {"+": 1.0, "-": 0.0, "chosen": 1.0, "rejected": 0.0}
"""Labels that are words."""
BOTH: Final = ("first", "second"), ("first_score", "second_score"), ("right", "wrong")
"""Parts that are there together."""
NEEDS: Final = {
    **dict.fromkeys(("label", "score"), ("response", "messages")),
    **dict.fromkeys(("finished", "stop"), ("response", "messages", "responses", "first")),
    **dict.fromkeys(("scores", "ranks"), ("responses",)),
    **dict.fromkeys(("chosen_score", "rejected_score", "opening", "chosen"), ("rejected",)),
    **dict.fromkeys(("first_model", "second_model", *winners.VERDICTS), ("first",)),
    "rejected": ("chosen", "messages"),
    "margin": ("rejected", "first"),
    "labels": ("steps",),
    "steps": ("labels",),
}
"""Part -> the parts of which one has to be there, or it would do nothing."""
PLACE: Final = re.compile(r"[^.]+\.\d+(\.|$)")
"""A path to a place of a list."""
UNNAMED: Final = "columns"
"""The name of a layout that a user wrote."""


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
                hint = did_you_mean(part, PARTS)
                raise ConfigError(
                    f"{part!r} is no part of a record{hint}; name columns for {', '.join(PARTS)},"
                    f" or {EACH}NAME"
                )
        there = dict(self.parts)
        for part in there:
            if (needed := _needs(part)) and there.keys().isdisjoint(needed):
                raise ConfigError(
                    f"{part} alone would do nothing: it goes with {' or '.join(needed)}; name a"
                    f" column for that, too, as in {needed[0]}=COLUMN"
                )
        if len(found := [part for part in winners.VERDICTS if part in there]) > 1:
            raise ConfigError(f"{' and '.join(found)} are several verdicts; name one column")
        for one, other in BOTH:
            if (one in there) != (other in there):
                raise ConfigError(f"{one} and {other} go together; name a column for each")

    @classmethod
    def of(cls, text: str, name: str = UNNAMED) -> Self:
        """Read `prompt=question,chosen=answer_a` (`paths.named`)."""
        return cls(parts=tuple(paths.named(text)), name=name)

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns that are read."""
        return frozenset(name.partition(".")[0] for name in self._named)

    def lacks(self, row: Mapping[str, Any]) -> set[str]:
        """Return the columns that a row would need, down to the ends of their paths."""
        return {
            path.split("|")[0]
            for part, path in self.parts
            if not path.endswith("?") and not _fits(part, paths.found(row, path))
        }

    def matches(self, row: Mapping[str, Any]) -> bool:
        """All columns that are needed, down to the ends of their paths, and no mark of another
        layout; where there is a `prompt`, it is this layout's."""
        there = dict(self.parts)
        named = "prompt" in self.columns or not {"prompt", "messages", "rejected"} & there.keys()
        return (
            bool(self.parts)
            and not self.lacks(row)
            and (named or row.get("prompt") is None)
            and not self._elsewhere(row)
        )

    @cached_property
    def _passed_over(self) -> frozenset[str]:
        """Columns of answers and judgements elsewhere that no part is for."""
        there = dict(self.parts)
        found: frozenset[str] = frozenset() if ANSWERED & there.keys() else ANSWERS
        if self._places:
            return found | GRADED
        if JUDGING & there.keys():
            return found
        return found | (GRADED if "responses" in there else JUDGED)

    @cached_property
    def _named(self) -> frozenset[str]:
        """All paths that are read."""
        every = (path.removesuffix("?").split("|") for _, path in self.parts)
        return frozenset(chain.from_iterable(every))

    @cached_property
    def _places(self) -> Counter[str]:
        """How many places are read of each list that is read by places."""
        return Counter(name.split(".")[0] for name in self._named if PLACE.match(name))

    def _elsewhere(self, row: Mapping[str, Any]) -> bool:
        """Marks of another layout: answers and judgements that this one would pass over, GSM8K's
        line before an answer, and labels of steps in a conversation."""
        if self.name == UNNAMED:
            return False
        there = dict(self.parts)
        if any(len(fields.parsed(row[name])) > count for name, count in self._places.items()):
            return True
        others = row.keys() - self._named
        if self._passed_over & {NUMBER.sub("", name.lower()) for name in others}:
            return True
        # Judged as one, a list of texts is the steps of an answer; else it is several answers.
        alone = "response" in there and not JUDGING & there.keys()
        if alone and _are_texts(paths.found(row, there["response"])):
            return True
        if "reference" in there and MARK.strip() in str(paths.found(row, there["reference"])):
            return True
        return "messages" in there and marked(fields.parsed(paths.found(row, there["messages"])))

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
            found = paths.found(row, path.removesuffix("?"))
            if found is paths.ABSENT or (found is None and path.endswith("?")):
                if path.endswith("?"):
                    continue
                raise hints.missing(row, part, path)
            if self.name == UNNAMED and part in ANSWERED - {"messages"}:
                hints.check_inside(part, ".".join(paths.keys(row, path.removesuffix("?"))), found)
            said[part] = found
            rest = paths.without(rest, paths.keys(row, path.removesuffix("?")))
        if self.name != UNNAMED and not said.get("system") and (name := conversations.system(rest)):
            said["system"] = rest.pop(name)
        self._check(said, rest)
        return said, rest

    def _pair(self, said: Mapping[str, Any], rest: Mapping[str, Any]) -> Preference:
        """A chosen and a rejected answer."""
        if "messages" in said:  # the last one is the chosen answer
            given = conversations.unpacked(said["messages"], "messages")
            *asked, answer = fields.mappings({"messages": given}, "messages") or [{}]
            said = {**fields.rest(said, "messages"), "prompt": asked, "chosen": answer}
        try:
            turns, pair = pairs.pair(said, rest)
        except DataError as error:
            raise DataError(f"{error}{self._columns_of_sides()}") from error
        if self.name != UNNAMED:
            pairs.unread(said, rest, dict(self.parts).get("prompt", "").split("|"))
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

    def _columns_of_sides(self) -> str:
        """What the sides of a pair are called in the row, where they are not called so."""
        there = {part: paths.first(path) for part, path in self.parts}
        there.setdefault("chosen", f"the last of {there.get('messages')}")
        called = [f"{side!r} is {there[side]}" for side in SIDES if there[side] != side]
        return f" ({', '.join(called)})" if called else ""

    def _check(self, said: Mapping[str, Any], rest: Mapping[str, Any]) -> None:
        """Refuse a row that says more of its question than is read, unless columns are named by
        hand."""
        if self.name == UNNAMED or "chosen" in said or not isinstance(said.get("prompt"), str):
            return
        for part, path in self.parts:
            for name in path.removesuffix("?").split("|") if part in ("prompt", "response") else ():
                if isinstance(rest.get(name), str) and rest[name] not in ("", said[part]):
                    raise DataError(
                        f"column {name!r} could be the {part}, too; say which one is, as in"
                        f" --columns prompt=...,{part}={name},..."
                    )
        conversations.whole(said["prompt"], rest)

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
            begin = trajectories.begin(turns)
            turns, answered = turns[:begin], turns[begin:]
        elif "prompt" in said and not {"first", "right"}.isdisjoint(said):
            turns = pairs.prompted(said["prompt"], "prompt")
        elif "prompt" in said:
            turns = conversations.turns(said, "prompt")
        else:
            raise ConfigError(
                f"{self.name} names no column for the prompt: prompt=... or messages=..."
            )
        if said.get("history"):
            turns = (*history(said["history"]), *turns)
        if said.get("input"):
            parts = (turns[-1].content, fields.text(said, "input"))
            question = "\n".join(text for text in parts if text)
            turns = (*turns[:-1], fields.make(Message, role="user", content=question))
        if said.get("system"):
            turns = conversations.instructed(turns, fields.text(said, "system"))
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
            response = conversations.response(answered, **_more(said))
        else:
            return self._unanswered(prompt, said)
        if "label" in said:
            label = _label(said["label"], "label")
            if not response.steps:
                raise DataError("field 'response': an empty response has no step to label")
            return StepLabels.outcome(prompt, response, label)
        if "score" in said:
            grades = (fields.amount(said["score"], "score"),)
            return fields.make(Ranking, prompt=prompt, responses=(response,), grades=grades)
        return fields.make(Group, prompt=prompt, responses=(response,))

    def _unanswered(self, prompt: Prompt, said: Mapping[str, Any]) -> Prompt:
        """A prompt alone, where nothing of the row is about an answer."""
        about = [part for part in said if _needs(part) and said[part] is not None]
        if about:
            raise DataError(
                f"{', '.join(map(repr, about))}: there is no answer that it could be about; the row"
                " has none, or its conversation ends with another turn than the assistant's"
            )
        if self.name == UNNAMED and prompt.messages[-1].role == "assistant":
            raise DataError(
                "the prompt is a conversation that ends with the assistant's answer; name its"
                " column messages=, not prompt="
            )
        return prompt

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
        value, more = fields.value(said, part), _more(said)
        if (model := said.get(f"{part}_model")) is not None:
            more["meta"] = {**more.get("meta", {}), "model": model}
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            return fields.make(Response, steps=joined(value, self.separator), **more)
        return conversations.reply(value, prompt.messages, part, **more)

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
        said = parts_of(record, there, self.separator)
        prompt = prompt_of(record)
        known = {"id", "reference", "tools", "solution"} & there.keys()
        if "boxed" in there:
            known |= {"reference", "solution"}
        row: dict[str, Any] = fields.rest(fields.columns(prompt), *known)
        if "conversations" in (paths.first(there.get(part, "")) for part in ("prompt", "messages")):
            said = as_sharegpt(said)
        for part, path in self.parts:
            if part in said and paths.constant(path) is paths.ABSENT:
                row = paths.put(row, paths.first(path).split("."), said[part])
        return row


def _needs(part: str) -> tuple[str, ...]:
    """The parts of which one has to be there for this one."""
    return NEEDS["finished"] if part.startswith(EACH) else NEEDS.get(part, ())


def _sorted(prompt: Prompt, said: Mapping[str, Any]) -> Ranking:
    """Right and wrong responses, graded 1 and 0; one that stands alone need be no list."""
    responses, grades = [], []
    for part, grade in (("right", 1.0), ("wrong", 0.0)):
        found = fields.parsed(said[part])
        for i, each in enumerate(found if isinstance(found, list) else [said[part]]):
            responses.append(conversations.reply(each, prompt.messages, f"{part}.{i}"))
            grades.append(grade)
    return fields.make(Ranking, prompt=prompt, responses=tuple(responses), grades=tuple(grades))


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
    return fields.share(fields.amount(value, field), field)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fits(part: str, value: Any) -> bool:
    """There is something, and it is not a single response where all wrong ones are named."""
    if part == "wrong":
        return _are_texts(fields.parsed(value))
    return value is not paths.ABSENT


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
