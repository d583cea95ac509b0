"""Answerers by word: what answers a judge's questions, and how its answers are read.

`docs/explain/words.md` lists the kinds of word; `words` has their grammar.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from assay import components
from assay.answerers.asking import Prices, Server
from assay.answerers.ledger import Ledger
from assay.answerers.phrasing import Style
from assay.components import did_you_mean
from assay.errors import ConfigError
from assay.protocols import Answerer, Generator
from assay.questions import FLOOR
from assay.specs.compute import Weights
from assay.specs.judge_kinds import JUDGES
from assay.specs.words import UnknownKey, Word, built, cut, parse

if TYPE_CHECKING:
    from assay.engines.openai import OpenAI

__all__ = [
    "ASKED",
    "KINDS",
    "READS",
    "Asking",
    "answerer",
    "answerer_of",
    "prices_of",
    "refuse_head",
    "writer_of",
]

_MODELS: Final = (
    "a language model's folder or smol (read at its labels; reads=text for reasons first), a"
    " server's address with model=NAME (reads=text, lines, labels, decisions or systemone),"
)
ASKED: Final = f"{_MODELS} or package.module:name"
"""Kinds of words of what a judge may ask, for a command's help: a head gives one probability,
whatever it is asked, which says nothing of a rubric's criteria or of which response is better."""

KINDS: Final = (
    f"{_MODELS} head:SCORER (a reward model's probability, of predicates alone), or"
    " package.module:name"
)
"""Kinds of words of what answers typed questions."""

READS: Final = ("text", "lines", "labels", "decisions", "systemone")
"""How answers are read."""

ADDRESS: Final = ("http://", "https://")


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What answerers are opened with, where their words do not say it."""

    ledger: Ledger = field(default_factory=Ledger)
    """Where paid answers are kept."""
    repeats: int | None = None
    """Texts per question; None = the answerer's own default."""
    prices: Prices | None = None
    """Money per million tokens."""
    device: str = "auto"
    dtype: str | None = "auto"
    weights: Weights = "saved"
    micro_tokens: int = 8192
    opened: list[Ledger] = field(default_factory=list)
    """Ledgers that words named, for the bill."""


@dataclass(frozen=True, kw_only=True)
class _Served:
    """Settings of a server."""

    model: str = ""
    concurrency: int = 16
    key_variable: str = "OPENAI_API_KEY"
    requests_per_minute: int | None = None
    tries: int = 6
    timeout: float = 600.0
    price_in: float | None = None
    price_out: float | None = None
    extra: str = ""
    rotations: bool = False


@dataclass(frozen=True, kw_only=True)
class _Text:
    """Settings of texts."""

    repeats: int | None = None
    temperature: float | None = None
    max_tokens: int = 1024
    seed: int = 0
    retries: int = 1
    labels: Style = "auto"


@dataclass(frozen=True, kw_only=True)
class _Lines:
    """Settings of texts that answer all questions of a state."""

    repeats: int | None = None
    temperature: float | None = None
    max_tokens: int = 2048
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class _Labels:
    """Settings of a server's label probabilities."""

    dialect: Literal["auto", "vllm", "openai", "sglang", "llama-server"] = "auto"
    floor: float = FLOOR
    top: int | None = None
    slack: float = 0.05
    repeats: int = 1
    labels: Style = "auto"


@dataclass(frozen=True, kw_only=True)
class _Decisions:
    """Settings of a decision server."""

    dialect: str = ""
    floor: float = FLOOR
    per_request: int | None = None
    structured: bool = False


@dataclass(frozen=True, kw_only=True)
class _Local:
    """Settings of a local model's labels."""

    floor: float = FLOOR
    labels: Style = "auto"
    rotations: bool = False
    max_length: int | None = None
    calibration: Literal["none"] | None = None


@dataclass(frozen=True, kw_only=True)
class _Head:
    """Settings of a reward model's head."""

    link: Literal["sigmoid"] | None = None


_SERVED: Final[Mapping[str, type[Any]]] = {
    "text": _Text,
    "lines": _Lines,
    "labels": _Labels,
    "decisions": _Decisions,
    "systemone": _Decisions,
}


def answerer(word: str | Path | Answerer, asking: Asking | None = None) -> Answerer:
    """Open the answerer that a word names; it has a `fingerprint`. An answerer is returned as it
    is.

    Raises `ConfigError` for a word that names nothing, with what there is.
    """
    if isinstance(word, Path):
        word = str(word)
    return answerer_of(parse(word), asking or Asking()) if isinstance(word, str) else word


def answerer_of(word: Word, asking: Asking) -> Answerer:
    """Open the answerer of a word that is taken apart."""
    word, asking = _with_ledger(word, asking)
    name = word.plain
    before, behind = cut(word.what, ":")
    if name.startswith(ADDRESS):
        return _at_server(name, word, asking)
    if before == "head" and behind:
        return _head(dataclasses.replace(word, what=behind), asking)
    if behind and before in JUDGES:
        raise ConfigError(f"{word.text!r} is a judge; what answers stands alone: give {behind}")
    _refuse_scorer(word)
    if behind and not Path(name).exists():
        return _of_own(word)
    return _local(name, word, asking)


def refuse_head(word: Word) -> None:
    """Raise `ConfigError` where a judge is to ask a head: it answers the one question that it was
    trained for, whatever it is asked, so that all criteria would have the same answer."""
    before, scorer = cut(word.what, ":")
    if before == "head" and scorer:
        raise ConfigError(
            f"{word.text!r}: a head gives one probability whatever it is asked, and so answers"
            f" typed predicates alone (`assay judge decide`); its scores of responses are those of"
            f" `assay eval DATA --scorer {scorer}`. What a judge asks is {ASKED}"
        )


def _refuse_scorer(word: Word) -> None:
    """Refuse a word that is known to be a scorer's, and is no path."""
    from assay.specs.scorers import kind_of

    if not Path(word.plain).exists() and (kind := kind_of(word)):
        raise ConfigError(
            f"{word.plain} is a scorer ({kind}), and answers no questions; give it where a scorer"
            f" is asked for (--scorer {word.plain}). What answers is {ASKED}"
        )


def _with_ledger(word: Word, asking: Asking) -> tuple[Word, Asking]:
    """The word without a ledger of its own, and that ledger, opened."""
    if "ledger" not in word.values:
        return word, asking
    own = Ledger(word.values["ledger"])
    asking.opened.append(own)
    return word.without(["ledger"]), dataclasses.replace(asking, ledger=own)


def writer_of(word: Word, asking: Asking) -> tuple[Answerer, Generator]:
    """Open a model that reads answers, at labels where the word does not say how, and writes texts,
    which are kept.

    Raises `ConfigError` for a word of what writes none.
    """
    from assay.answerers.writing import Kept

    word, asking = _with_ledger(word, asking)
    name = word.plain
    before, behind = cut(word.what, ":")
    if name.startswith(ADDRESS):
        reads = () if "reads" in word.values else (("reads", "labels"),)
        reader = _at_server(name, dataclasses.replace(word, settings=word.settings + reads), asking)
        fields = {field.name for field in dataclasses.fields(_Served)}
        served = built(_Served, word.text, [pair for pair in word.settings if pair[0] in fields])
        return reader, Kept(_writer(name, served), asking.ledger, _prices(served, asking))
    if before == "head" or (behind and not Path(name).exists()):
        raise ConfigError(f"{word.text!r}: {name} writes no critiques; give a language model")
    if _reads(word, ("labels", "text", "lines")) != "labels":
        raise ConfigError(f"{word.text!r}: behind a critique the label is read; leave out reads")
    from assay.engines.hf import HuggingFace
    from assay.models.fit import fitted
    from assay.models.layout import Layout

    local: Any = _local(name, word, asking)
    layout = fitted(Layout(template="chat"), local.model)
    writer = HuggingFace(local.model, local.answering.tokenizer, layout=layout)
    return local, Kept(writer, asking.ledger, asking.prices)


def prices_of(text: str) -> Prices:
    """Return the prices that IN:OUT or IN:OUT:CACHED says, in money per million tokens."""
    try:
        found = [float(part) for part in text.split(":")]
    except ValueError:
        found = []
    if len(found) not in (2, 3) or not all(0 <= price < math.inf for price in found):
        raise ConfigError(
            f"prices are {text!r}; give the prices of a million tokens read and written, IN:OUT,"
            " such as 0.15:0.60"
        )
    cached = found[2] if len(found) == 3 else None
    return Prices(tokens_in=found[0], tokens_out=found[1], tokens_cached=cached)


def _reads(word: Word, there: Sequence[str]) -> str:
    """How a word's answers are read; the first of those there are, where it does not say."""
    reads = word.values.get("reads", there[0])
    if reads not in there:
        other = f"; {reads} is of a server" if reads in READS else did_you_mean(reads, there)
        raise ConfigError(f"{word.text!r}: reads={reads}: there is {', '.join(there)}{other}")
    return reads


def _settings(word: Word, *classes: type[Any]) -> list[Any]:
    """Return the settings of a word as objects of these classes, each key to those that have it."""
    fields = {cls: {one.name for one in dataclasses.fields(cls)} for cls in classes}
    known = [key for keys in fields.values() for key in keys]
    for key, _ in word.settings:
        if key not in known:
            raise UnknownKey(word.text, key, sorted({*known, "reads"}))
    return [
        built(cls, word.text, [pair for pair in word.settings if pair[0] in fields[cls]])
        for cls in classes
    ]


def _at_server(address: str, word: Word, asking: Asking) -> Answerer:
    reads = _reads(word, READS)
    word = word.without(["reads"])
    served, own = _settings(word, _Served, _SERVED[reads])
    if not served.model:
        raise ConfigError(f"{word.text!r}: a server serves models by name; give model=NAME")
    prices = _prices(served, asking)
    if isinstance(own, _Text | _Lines):
        made = _texts(_writer(address, served), own, asking, prices)
    else:
        _refuse_repeats(word, asking, "probabilities are read")
        made = _read_at(_server(address, served, prices), reads, served, own, asking)
    if not served.rotations:
        return made
    from assay.answerers.rotations import RotatedAnswerer

    return RotatedAnswerer(made)


def _server(address: str, served: _Served, prices: Prices | None) -> Server:
    return Server(
        base_url=address,
        key_variable=served.key_variable,
        concurrency=served.concurrency,
        requests_per_minute=served.requests_per_minute,
        tries=served.tries,
        timeout_s=served.timeout,
        prices=prices,
    )


def _read_at(
    server: Server, reads: str, served: _Served, own: _Labels | _Decisions, asking: Asking
) -> Answerer:
    """What reads a server's probabilities."""
    common: dict[str, Any] = {**asdict(own), "ledger": asking.ledger, "extra": _extra(served)}
    if isinstance(own, _Labels):
        from assay.answerers.labels import LabelAnswerer

        return LabelAnswerer(server, served.model, **common)
    from assay.answerers.decisions import DecisionAnswerer

    common["dialect"] = own.dialect or ("openai" if reads == "decisions" else "systemone")
    return DecisionAnswerer(server, served.model, **common)


def _prices(served: _Served, asking: Asking) -> Prices | None:
    if served.price_in is None and served.price_out is None:
        return asking.prices
    return Prices(tokens_in=served.price_in or 0.0, tokens_out=served.price_out or 0.0)


def _writer(address: str, served: _Served) -> "OpenAI":
    from assay.engines.openai import OpenAI

    return OpenAI(
        base_url=address,
        model=served.model,
        key_variable=served.key_variable,
        concurrency=served.concurrency,
        requests_per_minute=served.requests_per_minute,
        tries=served.tries,
        timeout_s=served.timeout,
        extra=_extra(served),
    )


def _extra(served: _Served) -> Any:
    from assay.specs.generators import extra_of

    return extra_of(served.extra)


def _texts(generator: Any, own: _Text | _Lines, asking: Asking, prices: Prices | None) -> Answerer:
    given = asdict(own) | {"repeats": own.repeats or asking.repeats or 1}
    if isinstance(own, _Lines):
        from assay.answerers.lines import LinesAnswerer

        return LinesAnswerer(generator, ledger=asking.ledger, prices=prices, **given)
    from assay.answerers.text import TextAnswerer

    given["style"] = given.pop("labels")
    return TextAnswerer(generator, ledger=asking.ledger, prices=prices, **given)


def _local(name: str, word: Word, asking: Asking) -> Answerer:
    reads = _reads(word, ("labels", "text", "lines"))
    word = word.without(["reads"])
    if reads in ("text", "lines"):
        from assay.specs.generators import LOCAL, generator_of

        (own,) = _settings(word.without(LOCAL), _SERVED[reads])
        left = tuple(pair for pair in word.settings if pair[0] in LOCAL)
        writer = generator_of(
            dataclasses.replace(word, settings=left),
            device=asking.device,
            dtype=asking.dtype,
            weights=asking.weights,
        )
        return _texts(writer, own, asking, asking.prices)
    (local,) = _settings(word, _Local)
    _refuse_repeats(word, asking, "a local model's probabilities are exact")
    from assay.answerers.local import LocalAnswerer
    from assay.models.calibration import read_calibration
    from assay.models.policy import open_policy
    from assay.specs.compute import dtype_of

    precision = dtype_of(asking.dtype) or "float32"
    model, tokenizer, folder = open_policy(
        name, dtype=precision, device=asking.device, weights=asking.weights
    )
    given = asdict(local)
    # Temperatures are fitted for options as they are asked for unless a word says else.
    as_fitted = given.pop("calibration") is None and not local.rotations and local.labels == "auto"
    temperatures: dict[str, float] = {}
    if as_fitted and (found := read_calibration(folder)):
        temperatures = {kind: one.temperature for kind, one in found.temperatures.items()}
    return LocalAnswerer(
        model, tokenizer, micro_tokens=asking.micro_tokens, temperatures=temperatures, **given
    )


def _refuse_repeats(word: Word, asking: Asking, why: str) -> None:
    if asking.repeats not in (None, 1):
        raise ConfigError(
            f"{word.text!r}: {why}, and {asking.repeats} repeats would say the same; leave them"
            " out, or give reads=text"
        )


def _head(word: Word, asking: Asking) -> Answerer:
    from assay.answerers.head import HeadAnswerer
    from assay.specs.scorers import open_word

    own = tuple(pair for pair in word.settings if pair[0] == "link")
    head = built(_Head, word.text, own)
    scorer = open_word(
        word.without(["link"]),
        device=asking.device,
        dtype=asking.dtype,
        weights=asking.weights,
        micro_tokens=asking.micro_tokens,
    )
    return HeadAnswerer(scorer, link=head.link)


def _of_own(word: Word) -> Answerer:
    """An answerer of a module."""
    name = word.plain
    try:
        found: Any = components.imported(name)
    except ConfigError as error:
        hint = did_you_mean(name.partition(":")[0], ["head", "http", "https"])
        raise ConfigError(f"{error}{hint}") from error
    if isinstance(found, type):
        found = built(found, name, word.settings)
    elif word.settings:
        given = ", ".join(key for key, _ in word.settings)
        raise ConfigError(f"{word.text!r}: {name} is an object and takes no settings; drop {given}")
    if not isinstance(found, Answerer):
        raise ConfigError(f"{name} is no answerer: it needs answer(states, questions)")
    from assay.judges.opened import opened_answerer

    return opened_answerer(found, name)
