"""Scorers by word: the one way from a text, or from an object, to a `Scorer`.

`docs/explain/words.md` lists the kinds of word; `words` has their grammar.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from assay import components
from assay.aggregation import Aggregation
from assay.components import did_you_mean
from assay.errors import ConfigError
from assay.models.words import KEYS as MODEL_KEYS
from assay.protocols import Answerer, Generator, Scorer, Verifier
from assay.scorers.baselines import Longest, Random, Shortest
from assay.scorers.column import Column
from assay.scorers.ensemble import Ensemble, Standards
from assay.scorers.environment import EnvironmentRewards
from assay.scorers.function import Called
from assay.scorers.lower_bound import LowerBound
from assay.scorers.opened import OpenedScorer
from assay.scorers.reaggregate import Aggregated
from assay.scorers.verifier import Verified
from assay.specs.compute import Weights, dtype_of
from assay.specs.judge_kinds import JUDGES, is_judge
from assay.specs.remote import is_remote, remote_of
from assay.specs.verifiers import VERIFIERS, opened, verifier_of
from assay.specs.words import UnknownKey, Word, built, cut, members, parse

if TYPE_CHECKING:
    from assay.models.reward_model import RewardModel

__all__ = ["BASELINES", "kind_of", "named", "of_own_code", "open_word", "scorer"]

BASELINES: Final[Mapping[str, type[Any]]] = {
    "random": Random,
    "shortest": Shortest,
    "longest": Longest,
    "length": Longest,
}
"""Scorers that know nothing, by name; `length` is another word for `longest`."""

ENSEMBLES: Final[Mapping[str, Literal["mean", "worst", "uncertainty"]]] = {
    "mean": "mean",
    "worst": "worst",
    # The word that fingerprints of earlier runs hold.
    "uwo": "uncertainty",
}
OF_ENSEMBLES: Final = ("standard", "variance")
OF_ANY: Final = ("aggregate", "lower_bound")
"""Settings of the scorers around a scorer."""


@dataclass(frozen=True, kw_only=True)
class _Around:
    """What a scorer is opened with."""

    device: str
    dtype: str | None
    weights: Weights
    micro_tokens: int
    verifier: Verifier | None
    generator: Generator | None
    prompts: int = 0
    """Tokens of prompts that a reward model keeps between calls."""


def scorer(
    word: "str | Path | Scorer | Verifier | Callable[..., Any] | RewardModel",
    device: str = "auto",
    *,
    dtype: str | None = "auto",
    weights: Weights = "saved",
    micro_tokens: int = 8192,
    verifier: Verifier | None = None,
    generator: Generator | None = None,
) -> Scorer:
    """Open the scorer that a word names; it has a `fingerprint`.

    A scorer is returned as it is, and a verifier, a reward model, or a function of prompts and
    completions becomes one. device, dtype, weights and micro_tokens are those of the models that
    are opened; verifier and generator what the words "verifier" and "log-probability" stand for.
    Raises `ConfigError` for a word that names nothing, with what there is.
    """
    around = _Around(
        device=device,
        dtype=dtype,
        weights=weights,
        micro_tokens=micro_tokens,
        verifier=verifier,
        generator=generator,
    )
    if isinstance(word, Path):
        return _model(parse(_as_path(word)), around)
    if isinstance(word, str):
        return _open(parse(word), around)
    return _of_object(word, micro_tokens)


def open_word(
    word: Word,
    *,
    device: str = "auto",
    dtype: str | None = "auto",
    weights: Weights = "saved",
    micro_tokens: int = 8192,
    prompts: int = 0,
) -> Scorer:
    """Open the scorer of a word that is taken apart."""
    around = _Around(
        device=device,
        dtype=dtype,
        weights=weights,
        micro_tokens=micro_tokens,
        verifier=None,
        generator=None,
        prompts=prompts,
    )
    return _open(word, around)


def named(
    words: Sequence[str] | Mapping[str, Any],
    device: str = "auto",
    *,
    dtype: str | None = "auto",
    weights: Weights = "saved",
    micro_tokens: int = 8192,
    prompts: int = 0,
) -> dict[str, Scorer]:
    """Open several scorers, by the names before them (`NAME=WORD`) or by their own.

    prompts: tokens of prompts that each reward model of a word keeps between calls. Raises
    `ConfigError` where two have one name.
    """
    place: dict[str, Any] = {
        "device": device,
        "dtype": dtype,
        "weights": weights,
        "micro_tokens": micro_tokens,
    }
    if isinstance(words, Mapping):
        return {name: scorer(word, **place) for name, word in words.items()}
    found: dict[str, Scorer] = {}
    for text in words:
        word = parse(text)
        if word.called in found:
            what = text.removeprefix(f"{word.name}=")
            raise ConfigError(
                f"two scorers are called {word.called!r}; give one another name: NAME={what}"
            )
        found[word.called] = open_word(word, **place, prompts=prompts)
    return found


def kind_of(word: Word) -> str:
    """Return what kind of scorer a word says that it is, such as "a baseline"; empty where it would
    have to be opened first."""
    what = word.plain
    before, behind = cut(word.what, ":")
    if not behind:
        from assay.models.presets import PRESETS

        if what in PRESETS:
            return "a published reward model"
    if what in BASELINES:
        return "a baseline"
    if what in (*VERIFIERS, "verifier", "code", "rules"):
        return "a verifier"
    if before in ENSEMBLES and behind:
        return "an ensemble"
    kinds = {
        "column": "scores in the data",
        "environment": "rewards of turns",
        "log-probability": "a language model's log-probability",
    }
    return "scores of a server" if is_remote(word) else kinds.get(before, "")


def _as_path(path: Path) -> str:
    if not path.exists():
        raise ConfigError(f"{path} does not exist{_nearby(path)}; give a reward model's folder")
    return str(path)


def _of_object(thing: Any, micro_tokens: int) -> Scorer:
    if isinstance(thing, type):
        thing = built(thing, thing.__name__, ())
    if isinstance(thing, Scorer):
        return thing
    if isinstance(thing, Verifier):
        return Verified(thing)
    if hasattr(thing, "readout") and hasattr(thing, "encoder"):
        from assay.scorers.local import LocalScorer

        return LocalScorer(thing, micro_tokens=micro_tokens)
    if callable(thing):
        return Called(thing)
    raise ConfigError(
        f"a {type(thing).__name__} is no scorer; give a word, a scorer, a verifier, a reward model"
        " or a function of prompts and completions"
    )


def _open(word: Word, around: _Around) -> Scorer:
    """The scorer of a word, inside of those that its settings put around it."""
    inner = _named_or_found(word.without(OF_ANY), around)
    for key, value in word.settings:
        if key == "aggregate":
            if value not in get_args(Aggregation):
                there = ", ".join(get_args(Aggregation))
                raise ConfigError(
                    f"{word.text!r}: no aggregation is called {value!r}; there is {there}"
                )
            inner = Aggregated(inner, value)  # type: ignore[arg-type]
        elif key == "lower_bound":
            inner = LowerBound(inner, _number(word, key))
    return inner


def _named_or_found(word: Word, around: _Around) -> Scorer:
    what = word.plain
    before, behind = cut(word.what, ":")
    if what in BASELINES:
        found: Scorer = built(BASELINES[what], what, _of_own(word))
        return found
    if what in VERIFIERS:
        return Verified(verifier_of(word.without(OF_ENSEMBLES)))
    if what in ("code", "rules"):
        return _checks(word)
    if what == "environment":
        _refuse_settings(word)
        return EnvironmentRewards()
    if what == "verifier":
        return _given_verifier(word, around)
    if what == "log-probability" or before == "log-probability":
        return _log_probability(word, around)
    if before in ENSEMBLES and behind:
        return _ensemble(word, around)
    if before == "column" and behind:
        _refuse_settings(word)
        return Column(parse(behind).plain)
    if is_judge(word):
        return _judge(word, around)
    if is_remote(word):
        return remote_of(word)
    if behind and not Path(what).exists():
        return _of_own_code(word)
    return _model(word, around)


def _of_own(word: Word) -> tuple[tuple[str, str | None], ...]:
    """The settings of a component, those of ensembles refused by name."""
    for key in OF_ENSEMBLES:
        if key in dict(word.settings):
            raise ConfigError(
                f"{word.text!r}: {key} is a setting of ensembles, in uwo:A+B and others"
            )
    return word.settings


def _checks(word: Word) -> Scorer:
    """Programs or rules as a scorer."""
    if word.plain == "code":
        from assay.scorers.code import Executed
        from assay.verifiers.code.verifier import Code

        return Executed(built(Code, "code", word.settings))
    from assay.specs.verifiers import Rules

    rules: Rules = built(Rules, "rules", word.settings)
    return rules.ruled()


def _given_verifier(word: Word, around: _Around) -> Scorer:
    _refuse_settings(word)
    if around.verifier is None:
        raise ConfigError(
            '"verifier" is the verifier that a command is given besides, and there is none here;'
            f" name one: {', '.join(VERIFIERS)}, or package.module:Class"
        )
    return Verified(around.verifier)


def _log_probability(word: Word, around: _Around) -> Scorer:
    """The log-probability under a language model, or under the policy of the command."""
    from assay.specs.generators import generator_of

    _, behind = cut(word.what, ":")
    if behind:
        made = generator_of(
            dataclasses.replace(word, what=behind),
            device=around.device,
            dtype=around.dtype,
            weights=around.weights,
        )
    elif around.generator is None:
        raise ConfigError(
            "log-probability of what? Name the language model: log-probability:FOLDER, or"
            " log-probability:smol"
        )
    else:
        _refuse_settings(word)
        made = around.generator
    # A check by class would load torch for a server's address.
    if not hasattr(made, "encoder") or not hasattr(made, "model"):
        raise ConfigError(
            "log-probabilities need a local policy: a folder, or smol, and no --replay"
        )
    from assay.scorers.log_probability import LogProbability

    return LogProbability(made.model, made.encoder.tokenizer, layout=made.encoder.layout)


def _judge(word: Word, around: _Around) -> Scorer:
    """A judge that answers questions, in the way of a scorer."""
    from assay.specs.answerers import Asking
    from assay.specs.judges import scoring

    return scoring(
        word,
        Asking(
            device=around.device,
            dtype=around.dtype,
            weights=around.weights,
            micro_tokens=around.micro_tokens,
        ),
    )


def _ensemble(word: Word, around: _Around) -> Scorer:
    """Members, each with the settings behind the ensemble and then those of its own."""
    how, behind = cut(word.what, ":")
    each = members(behind)
    if len(each) < 2:
        raise ConfigError(f"{word.text!r} has one member; give two or more, {how}:A+B")
    values = word.values
    standards, weight = None, 0.5
    if (standard := values.get("standard")) is not None:
        if standard != "none":
            raise ConfigError(f"{word.text!r}: standard={standard}; there is none, or leave it out")
        standards = Standards.none(len(each))
    if "variance" in values:
        if how != "uwo":
            raise ConfigError(f"{word.text!r}: variance is weighed in uwo:A+B+C only")
        weight = _number(word, "variance")
    shared = word.without(OF_ENSEMBLES).settings
    opened_members = {}
    for place, member in enumerate(each):
        own = dict(member.settings)
        settings = (*member.settings, *(pair for pair in shared if pair[0] not in own))
        full = dataclasses.replace(member, settings=settings)
        opened_members[f"{member.name or member.plain}, {place}"] = _open(full, around)
    return Ensemble(opened_members, how=ENSEMBLES[how], weight=weight, standards=standards)


def _of_own_code(word: Word) -> Scorer:
    """A scorer, a verifier or a function of a module."""
    name = word.plain
    try:
        found: Any = components.imported(name)
    except ConfigError as error:
        # `maen:A+B` is no module.
        there = [*ENSEMBLES, *JUDGES, "column", "log-probability"]
        hint = did_you_mean(name.partition(":")[0], there)
        raise ConfigError(f"{error}{hint}") from error
    if isinstance(found, type):
        found = built(found, name, word.settings)
    elif word.settings:
        given = ", ".join(key for key, _ in word.settings)
        raise ConfigError(f"{word.text!r}: {given} is of a model's texts, and {name} is none")
    if (made := of_own_code(found, name)) is not None:
        return made
    if isinstance(found, Answerer):
        raise ConfigError(
            f"{name} answers questions, and the word does not say which; give pointwise:{name},"
            f" rubric:FILE@{name} or another judge (`assay judge`)"
        )
    raise ConfigError(
        f"{name!r} is a {type(found).__name__}; it must score, verify, or be a function: have"
        " `score`, or `extract`, `canonical` and `verify`, or be called with prompts and"
        " completions"
    )


def of_own_code(found: object, name: str) -> Scorer | None:
    """Return the scorer that code of one's own is: a scorer, a verifier, or a function of prompts
    and completions; None for anything else.

    name: what it is called in errors.
    """
    if isinstance(found, Scorer):
        return found if _ours(found) else OpenedScorer(found, name)
    if isinstance(found, Verifier):
        return Verified(opened(found, name))
    return Called(found) if callable(found) else None


def _ours(found: object) -> bool:
    return type(found).__module__.partition(".")[0] == "assay"


def _model(word: Word, around: _Around) -> Scorer:
    """A reward model in this process."""
    known = (*MODEL_KEYS, *OF_ANY)
    for key, _ in word.settings:
        if key in OF_ENSEMBLES:
            raise ConfigError(
                f"{word.text!r}: {key} is a setting of ensembles, mean:A+B, worst:A+B, uwo:A+B"
            )
        if key not in known:
            raise UnknownKey(word.text, key, known)
    settings, name = word.values, word.plain
    from assay.models.device import device_of
    from assay.models.opening import open_model
    from assay.models.presets import PRESETS, REFUSED
    from assay.scorers.local import LocalScorer

    device, dtype = device_of(around.device, spread=True), dtype_of(around.dtype)
    published = name in PRESETS or name in REFUSED
    if not Path(name).is_dir() and not published and not _is_hub_name(name):
        there = [*BASELINES, *VERIFIERS, "code", "rules", *PRESETS]
        hint = _nearby(Path(name)) or did_you_mean(name, there)
        raise ConfigError(
            f"{name} is no folder of a reward model, and no scorer has that name{hint}; {_also()}"
        )
    if Path(name).is_dir() and (pairs := _of_pairs(Path(name), settings, around)):
        return pairs
    try:
        model = open_model(name, settings, dtype=dtype, device=device, weights=around.weights)
    except ConfigError as error:
        if Path(name).exists() or published:
            raise
        raise ConfigError(f"{error}{_nearby(Path(name))}; {_also()}") from error
    return LocalScorer(model, micro_tokens=around.micro_tokens, prompts=around.prompts)


def _is_hub_name(name: str) -> bool:
    """Whether a name may be one of the hub's, OWNER/MODEL, and not a path."""
    return name.count("/") == 1 and name[0] not in "./~"


def _nearby(path: Path) -> str:
    """A folder beside the one that is not there, with a name like it."""
    if not path.parent.is_dir() or path.parent == path:
        return ""
    beside = {entry.name: entry for entry in path.parent.iterdir() if entry.is_dir()}
    hint = did_you_mean(path.name, beside)
    return hint.replace("mean ", f"mean {path.parent}/") if hint and path.parent != Path() else hint


def _also() -> str:
    return (
        f"there is {', '.join((*VERIFIERS, 'code', 'rules', *BASELINES))}, a published model's name"
        " (`assay models list`), package.module:name for your own, column:NAME, and mean:A+B,"
        " worst:A+B, uwo:A+B for several"
    )


def _of_pairs(folder: Path, settings: Mapping[str, str], around: _Around) -> Scorer | None:
    """An encoder that reads question and answer as a pair of texts; None where the folder holds
    another model."""
    if not (folder / "config.json").is_file() or (folder / "reward_model.json").is_file():
        return None
    from assay.models.device import device_of
    from assay.models.loading import load_config
    from assay.scorers.pairs import PairScorer, reads_pairs

    if not reads_pairs(load_config(folder)):
        return None
    if settings:
        given = ", ".join(f"{key}={value}" for key, value in settings.items())
        raise ConfigError(
            f"{folder} is an encoder, which reads question and answer as a pair of texts and takes"
            f" no settings of a layout; leave out {given}"
        )
    return PairScorer(
        folder,
        device=device_of(around.device),
        dtype=dtype_of(around.dtype),
        weights=around.weights,
        micro_tokens=around.micro_tokens,
    )


def _refuse_settings(word: Word) -> None:
    if word.settings:
        raise ConfigError(
            f"{word.text!r}: {word.plain} takes no settings; leave out"
            f" {', '.join(key for key, _ in word.settings)}"
        )


def _number(word: Word, key: str) -> float:
    text = dict(word.settings)[key]
    try:
        return float(text or "")
    except ValueError:
        raise ConfigError(f"{word.text!r}: {key}={text}: give a number") from None
