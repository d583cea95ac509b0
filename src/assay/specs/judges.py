"""Judges by word: KIND:ANSWERER, with the settings of both behind it.

`docs/explain/words.md` lists the kinds; `answerers` has the words of what answers.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from assay import components
from assay.components import did_you_mean
from assay.errors import ConfigError
from assay.fingerprint import fingerprint
from assay.protocols import Answerer, Judge, Sampling, Scorer
from assay.specs.answerers import ASKED as ANSWERERS
from assay.specs.answerers import Asking, answerer_of, refuse_head, writer_of
from assay.specs.judge_kinds import JUDGES, PUBLISHED
from assay.specs.words import UnknownKey, Word, built, cut, members, parse

__all__ = ["GRAMMAR", "comparing", "is_own_judge", "judge", "judge_of", "scoring"]


@dataclass(frozen=True, kw_only=True)
class _Pairwise:
    prompt: str | None = None
    orders: Literal["both", "given", "drawn"] | None = None
    tie: bool = True


@dataclass(frozen=True, kw_only=True)
class _Pointwise:
    prompt: str | None = None
    levels: int = 10


@dataclass(frozen=True, kw_only=True)
class _Reference:
    prompt: str = "pointwise-reference"
    levels: int = 10


@dataclass(frozen=True, kw_only=True)
class _Listwise:
    prompt: str = "listwise"
    rotations: int | None = None


@dataclass(frozen=True, kw_only=True)
class _Steps:
    prompt: str = "steps"
    asks: Literal["first", "number", "each"] | None = None
    decides: Literal["probability", "majority"] = "probability"


@dataclass(frozen=True, kw_only=True)
class _GenRM:
    prompt: str | None = None
    critiques: int = 8
    temperature: float = 1.0
    max_tokens: int = 1024
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class _Rubric:
    prompt: str = "rubric"
    calls: Literal["item", "criterion"] | int = "item"
    abstain: bool = True
    least: float = 0.5
    shuffle: int | None = None
    drop: float = 0.0
    drop_seed: int = 0


@dataclass(frozen=True, kw_only=True)
class _Published:
    orders: Literal["both", "given", "drawn"] | None = None


@dataclass(frozen=True, kw_only=True)
class _Panel:
    how: Literal["mean", "majority", "median"] = "mean"
    least: int | None = None


def _pairwise(answerer: Answerer, own: _Pairwise) -> Judge:
    from assay.judges.pairwise import Pairwise

    return Pairwise(answerer, **asdict(own))


def _pointwise(answerer: Answerer, own: _Pointwise | _Reference) -> Scorer:
    from assay.judges.pointwise import Pointwise

    return Pointwise(answerer, **asdict(own))


def _listwise(answerer: Answerer, own: _Listwise) -> Scorer:
    from assay.judges.listwise import Listwise

    return Listwise(answerer, **asdict(own))


def _steps(answerer: Answerer, own: _Steps) -> Scorer:
    from assay.answerers.text import TextAnswerer
    from assay.judges.steps import StepCritic

    # What writes can name any step; labels have one digit.
    asks = own.asks or ("number" if isinstance(answerer, TextAnswerer) else "first")
    return StepCritic(answerer, own.prompt, asks, own.decides)


_KINDS: Final[Mapping[str, tuple[type[Any], Callable[[Answerer, Any], Judge | Scorer]]]] = {
    "pairwise": (_Pairwise, _pairwise),
    "pointwise": (_Pointwise, _pointwise),
    "reference": (_Reference, _pointwise),
    "listwise": (_Listwise, _listwise),
    "steps": (_Steps, _steps),
}

GRAMMAR: Final = (
    "KIND:ANSWERER, where KIND is pairwise (two responses, in both orders), pointwise (a rating),"
    " reference (a rating beside the reference answer), listwise (the best of several), steps (the"
    " first wrong step), genrm (critiques, then p(yes)), rubric:FILE@ANSWERER (a rubric's criteria;"
    f" rubric:ANSWERER for each prompt's own), or {', '.join(PUBLISHED)}; panel:(JUDGE)+(JUDGE); or"
    f" package.module:name. ANSWERER is {ANSWERERS}"
)
"""The words, for a command's help."""


def judge(word: "str | Path | Judge | Scorer", asking: Asking | None = None) -> Judge | Scorer:
    """Open the judge that a word names: a `Judge` of pairs, or a `Scorer`. A judge is returned as
    it is.

    Raises `ConfigError` for a word that names nothing, with what there is.
    """
    if isinstance(word, Path):
        word = str(word)
    return judge_of(parse(word), asking or Asking()) if isinstance(word, str) else word


def judge_of(word: Word, asking: Asking) -> Judge | Scorer:
    """Open the judge of a word that is taken apart."""
    kind, behind = cut(word.what, ":")
    if kind not in JUDGES:
        return _of_own(word)
    if not behind:
        raise ConfigError(
            f"{word.text!r}: {kind} by whom? Give {kind}:ANSWERER, where ANSWERER is {ANSWERERS}"
        )
    inner = dataclasses.replace(word, what=behind)
    if kind == "panel":
        return _panel(inner, asking)
    if kind == "rubric":
        return _rubric(inner, asking)
    refuse_head(inner)
    if kind == "genrm":
        return _genrm(inner, asking)
    if kind in PUBLISHED:
        return _published(kind, inner, asking)
    settings, make = _KINDS[kind]
    own, answerer = _opened(settings, inner, asking)
    return make(answerer, own)


def scoring(word: Word, asking: Asking) -> Scorer:
    """Open a judge as a scorer: one of pairs plays tournaments of `calls` comparisons per group.

    Raises `ConfigError` where it compares and their number is not given.
    """
    calls = dict(word.settings).get("calls")
    # Of a rubric they are the criteria's.
    compares = calls is not None and cut(word.what, ":")[0] != "rubric"
    found = judge_of(word.without(["calls"]) if compares else word, asking)
    if isinstance(found, Scorer):
        return found
    if calls is None or not calls.isdecimal():
        raise ConfigError(
            f"{word.text!r} compares two responses; to score, say how many comparisons each prompt"
            " may cost: calls=1 for pairs, N (N - 1) / 2 for all pairs of N responses"
        )
    from assay.judges.adapters import as_scorer

    return as_scorer(found, calls=int(calls))


def comparing(found: Judge | Scorer) -> Judge:
    """Return a judge of pairs; a scorer prefers the higher score, and equal ones tie."""
    if isinstance(found, Judge):
        return found
    from assay.judges.adapters import as_judge

    return as_judge(found, how="strict")


def _own(settings: type[Any], word: Word) -> tuple[Any, Word]:
    """Return the judge's settings among those of a word, and the word without them."""
    keys = {field.name for field in dataclasses.fields(settings)}
    own = built(settings, word.text, [pair for pair in word.settings if pair[0] in keys])
    return own, word.without(keys)


def _opened(settings: type[Any], word: Word, asking: Asking) -> tuple[Any, Answerer]:
    """Return the judge's settings, and the answerer that the others are of."""
    own, left = _own(settings, word)
    try:
        return own, answerer_of(left, asking)
    except UnknownKey as error:
        keys = (field.name for field in dataclasses.fields(settings))
        raise UnknownKey(word.text, error.key, sorted({*keys, *error.known})) from error


def _published(kind: str, word: Word, asking: Asking) -> Judge | Scorer:
    from assay.judges.pairwise import PairProtocol, Pairwise
    from assay.judges.pointwise import Pointwise
    from assay.judges.published import PUBLISHED as PROTOCOLS

    protocol = PROTOCOLS[kind]
    if isinstance(protocol, PairProtocol):
        own, answerer = _opened(_Published, word, asking)
        return Pairwise(answerer, protocol=protocol, orders=own.orders)
    return Pointwise(answerer_of(word, asking), protocol=protocol)


def _genrm(word: Word, asking: Asking) -> Scorer:
    """A generative reward model: critiques by a model, and p(yes) read of the same one."""
    from assay.judges.genrm import GenRM

    own, left = _own(_GenRM, word)
    if not own.critiques:
        return GenRM(answerer_of(left, asking), None, own.prompt)
    reader, writer = writer_of(left, asking)
    sampling = Sampling(
        n=own.critiques, max_tokens=own.max_tokens, temperature=own.temperature, seed=own.seed
    )
    return GenRM(reader, writer, own.prompt, sampling=sampling)


def _rubric(word: Word, asking: Asking) -> Scorer:
    from assay.data.rubrics.files import read_rubric
    from assay.judges.rubric import RubricScorer

    file, behind = cut(word.what, "@")
    whom = dataclasses.replace(word, what=behind or word.what)
    refuse_head(whom)
    rubric = read_rubric(parse(file).plain) if behind else None
    own, answerer = _opened(_Rubric, whom, asking)
    return RubricScorer(answerer, rubric, **asdict(own))


def _panel(word: Word, asking: Asking) -> Judge | Scorer:
    """Several judges; settings that are not the panel's are those of every member."""
    from assay.judges.panel import JudgePanel, ScorerPanel

    own, left = _own(_Panel, word)
    found: dict[str, Judge | Scorer] = {}
    for place, member in enumerate(members(left.what)):
        mine = dict(member.settings)
        shared = (pair for pair in left.settings if pair[0] not in mine)
        full = dataclasses.replace(member, settings=(*member.settings, *shared))
        name = member.name or f"{member.plain}, {place}"
        if name in found:
            raise ConfigError(f"{word.text!r}: two members are called {name!r}; give each a name")
        found[name] = judge_of(full, asking)
    _refuse_twice(found, word)
    judges = {name: one for name, one in found.items() if isinstance(one, Judge)}
    scorers = {name: one for name, one in found.items() if isinstance(one, Scorer)}
    if len(judges) == len(found):
        return JudgePanel(members=judges, how=_one_of(own.how, word, ("mean", "majority")),
                          least=own.least)  # fmt: skip
    if len(scorers) == len(found):
        return ScorerPanel(members=scorers, how=_one_of(own.how, word, ("mean", "median")),
                           least=own.least)  # fmt: skip
    raise ConfigError(
        f"{word.text!r}: {', '.join(judges)} compare and {', '.join(scorers)} score; a panel's"
        " members do the same"
    )


def _refuse_twice(found: Mapping[str, Judge | Scorer], word: Word) -> None:
    """Refuse one judge as two members, who would always agree."""
    names: dict[str, str] = {}
    for name, one in found.items():
        if (first := names.setdefault(fingerprint(one), name)) != name:
            raise ConfigError(
                f"{word.text!r}: {first!r} and {name!r} are the same judge, which would count"
                " twice; drop one, or let it write several texts with repeats=K"
            )


def _one_of(how: str, word: Word, there: Sequence[str]) -> Any:
    if how not in there:
        raise ConfigError(f"{word.text!r}: how={how}; there is {', '.join(there)} here")
    return how


def is_own_judge(word: Word) -> bool:
    """Return whether a word names code that compares and does not score; False for what is no code,
    or cannot be imported."""
    module, name = cut(word.plain, ":")
    if not name or name.startswith("//") or Path(word.plain).exists():
        return False
    if not all(part.isidentifier() for part in module.split(".")):
        return False
    try:
        found = components.imported(word.plain)
    except ConfigError:
        return False
    return hasattr(found, "compare") and not hasattr(found, "score")


def _of_own(word: Word) -> Judge | Scorer:
    """A judge or a scorer of a module."""
    name = word.plain
    if name.startswith(("http://", "https://")):
        raise ConfigError(
            f"{word.text!r} answers, and the word does not say what is asked: give"
            f" pairwise:{name}, pointwise:{name} or another KIND:ANSWERER"
        )
    if not cut(word.what, ":")[1]:
        raise ConfigError(f"no judge is called {name!r}{did_you_mean(name, JUDGES)}; {GRAMMAR}")
    from assay.specs.scorers import of_own_code

    try:
        found: Any = components.imported(name)
    except ConfigError as error:
        raise ConfigError(f"{error}{did_you_mean(name.partition(':')[0], JUDGES)}") from error
    if isinstance(found, type):
        found = built(found, name, word.settings)
    elif word.settings:
        given = ", ".join(key for key, _ in word.settings)
        raise ConfigError(f"{word.text!r}: {name} is an object and takes no settings; drop {given}")
    if isinstance(found, (Judge, Scorer)):
        from assay.judges.opened import opened_judge

        return opened_judge(found, name)
    if isinstance(found, Answerer):
        raise ConfigError(
            f"{name} answers questions, and the word does not say which; give pointwise:{name},"
            f" pairwise:{name}, rubric:FILE@{name} or another KIND:ANSWERER"
        )
    if (made := of_own_code(found, name)) is None:
        raise ConfigError(
            f"{name} is a {type(found).__name__}, and no judge: it needs compare(pairs) or"
            " score(groups), or be a function of prompts and completions"
        )
    return made
