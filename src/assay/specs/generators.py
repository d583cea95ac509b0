"""Generators by word: the built-in SmolLM2, a language model's folder or hub name, a server's
address, or a class of one's own; and the settings by which commands sample from one."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import tyro

from assay import components
from assay.components import did_you_mean
from assay.data.splitting import SPLITTERS
from assay.errors import ConfigError
from assay.fingerprint import fingerprint
from assay.protocols import Generator, Sampling
from assay.runs.settings import made
from assay.specs.compute import Weights, dtype_of
from assay.specs.opened import opened_generator
from assay.specs.words import UnknownKey, Word, built, cut, parse, quoted

__all__ = ["LOCAL", "Policy", "extra_of", "generator", "generator_of", "splitter"]

ADDRESS: Final = ("http://", "https://")
LOCAL: Final[Mapping[str, Any]] = {"template": "chat", "join": "\n", "max_length": 4096}
"""Settings of a local model, as their defaults."""
SERVED: Final[Mapping[str, Any]] = {"model": "", "api": "chat", "concurrency": 16, "extra": ""}
"""Settings of a server, as their defaults."""


def generator(
    word: str | Path | Generator,
    *,
    device: str = "auto",
    dtype: str | None = "auto",
    weights: Weights = "saved",
    split: str | Callable[[str], tuple[str, ...]] = "newline",
    **settings: Any,
) -> Generator:
    """Open the generator that a word names; it has a `fingerprint`. A generator is returned as it
    is.

    dtype: "auto" is float32. split: where steps end, a name of `SPLITTERS` or a function. settings:
    template, join and max_length of a local model; model, api, concurrency and extra of a server;
    the word's own win. Raises `ConfigError` for a word that names nothing, with what there is.
    """
    if isinstance(word, str):
        parsed = parse(word)
    elif isinstance(word, Path):
        parsed = Word(text=str(word), what=quoted(str(word)))
    else:
        return word
    compute: dict[str, Any] = {"device": device, "dtype": dtype, "weights": weights}
    return generator_of(parsed, **compute, split=split, **settings)


def generator_of(
    word: Word,
    *,
    device: str = "auto",
    dtype: str | None = "auto",
    weights: Weights = "saved",
    split: str | Callable[[str], tuple[str, ...]] = "newline",
    **settings: Any,
) -> Generator:
    """Open the generator of a word that is taken apart."""
    name = word.plain
    if not name.startswith(ADDRESS) and cut(word.what, ":")[1] and not Path(name).exists():
        return _of_own(word)
    own = word.values
    cuts = splitter(own.pop("split", split))
    defaults = SERVED if name.startswith(ADDRESS) else LOCAL
    for key in own:
        if key not in defaults:
            raise UnknownKey(word.text, key, (*defaults, "split"))
    given = {key: settings.get(key, default) for key, default in defaults.items()}
    # A shell has no easy line break; only what stands in the word is read so.
    given |= {key: value.replace(r"\n", "\n").replace(r"\t", "\t") for key, value in own.items()}
    if name.startswith(ADDRESS):
        return _at_server(name, given, cuts)
    return _local(name, given, cuts, device=device, dtype=dtype, weights=weights)


def splitter(
    split: str | Callable[[str], tuple[str, ...]], settings: tuple[str, ...] = ()
) -> Callable[[str], tuple[str, ...]]:
    """Return what cuts texts into steps, by name, with settings as KEY=VALUE."""
    if not isinstance(split, str):
        return split
    if split not in SPLITTERS:
        hint = did_you_mean(split, SPLITTERS)
        raise ConfigError(
            f"no splitting policy is called {split!r}{hint}; there is {', '.join(SPLITTERS)}"
        )
    cuts: Callable[[str], tuple[str, ...]] = made(SPLITTERS[split], split, settings)
    return cuts


def _at_server(
    address: str, settings: Mapping[str, Any], split: Callable[[str], tuple[str, ...]]
) -> Generator:
    from assay.engines.openai import OpenAI

    if not settings["model"]:
        raise ConfigError("a server serves models by name; give --model NAME")
    return OpenAI(
        base_url=address,
        model=settings["model"],
        api=_one_of("api", settings["api"], ("chat", "completions")),
        concurrency=_whole("concurrency", settings["concurrency"]),
        split=split,
        extra=extra_of(settings["extra"]),
    )


def _local(
    name: str,
    settings: Mapping[str, Any],
    split: Callable[[str], tuple[str, ...]],
    *,
    device: str,
    dtype: str | None,
    weights: Weights,
) -> Generator:
    from assay.engines.hf import HuggingFace
    from assay.models.fit import fitted
    from assay.models.layout import Layout
    from assay.models.policy import open_policy

    precision = dtype_of(dtype) or "float32"
    model, tokenizer, _ = open_policy(name, dtype=precision, device=device, weights=weights)
    layout = Layout(
        template=_one_of("template", settings["template"], ("chat", "plain")),
        join=settings["join"],
        max_length=_whole("max_length", settings["max_length"]),
    )
    return HuggingFace(model, tokenizer, layout=fitted(layout, model), split=split)


def _of_own(word: Word) -> Generator:
    """A generator of a module."""
    name = word.plain
    found: Any = components.imported(name)
    if isinstance(found, type):
        found = built(found, name, word.settings)
    elif word.settings:
        given = ", ".join(key for key, _ in word.settings)
        raise ConfigError(f"{word.text!r}: {given} is of a model's texts, and {name} is none")
    if not isinstance(found, Generator):
        raise ConfigError(f"{name} is no generator: it needs generate(prefixes, sampling)")
    return opened_generator(found, name)


def extra_of(text: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return more settings of requests, given as JSON."""
    if not isinstance(text, str):
        return text
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise ConfigError(f"extra is not JSON ({error}): {text!r}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"extra must be a JSON object, got {text!r}")
    return found


def _one_of(key: str, value: Any, there: tuple[str, ...]) -> Any:
    if value not in there:
        raise ConfigError(f"{key}={value}: there is {', '.join(there)}{did_you_mean(value, there)}")
    return value


def _whole(key: str, value: Any) -> int:
    if not str(value).isdecimal() or not int(value):
        raise ConfigError(f"{key}={value}: give a whole number above 0")
    return int(value)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The generator that a command samples from, and how it samples."""

    policy: str
    """Folder or hub name of a causal LM, "smol" for SmolLM2-135M-Instruct, the address of an
    OpenAI-compatible server (.../v1), or package.module:name."""

    model: str = ""
    """The model's name at a server."""

    api: Literal["chat", "completions"] = "chat"
    """Interface of a server; not every server continues a begun answer in a chat (see
    `assay.engines.openai`)."""

    concurrency: int = 16
    """Concurrent requests to a server."""

    template: Literal["chat", "plain"] = "chat"
    """Layout of a local model's prompt: by its chat template, or as bare text."""

    join: str = "\n"
    """Text between prompt and response, where the template is plain."""

    split: Annotated[
        str, tyro.conf.arg(metavar="POLICY", help=f"Where steps end: {', '.join(SPLITTERS)}.")
    ] = "newline"

    setting: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")] = ()
    """Settings of the splitting policy, e.g. pattern=;\\s or word=Schritt."""

    extra: str = ""
    """More settings for every request to a server, as JSON, e.g. '{"top_k": 0, "min_p": 0}'; what a
    server's own defaults are differs from server to server."""

    temperature: float = 1.0
    """Sampling temperature; 0 is greedy."""

    top_p: float = 1.0
    """Nucleus sampling: probability of the likeliest tokens that are sampled among."""

    max_tokens: int = 512
    """Longest continuation, in tokens; of a search by steps (beam, dvts, mcts ...) each step is
    one."""

    max_length: int = 4096
    """Longest sequence of a local model, prompt and all, in tokens."""

    seed: int = 0
    """Seed of the samples."""

    device: str = "auto"
    """Device of local models: cpu, cuda, cuda:1 and others, or auto, the GPU where there is one."""

    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of local models; auto = float32 for the policy, and as saved for a scorer."""

    weights: Weights = "saved"
    """Form of the matrices' numbers in local models that are not trained: saved, int8, int4 or
    nf4."""

    def sampling(self, n: int = 1) -> Sampling:
        """The settings of n samples."""
        return Sampling(
            n=n,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
        )

    def splitter(self) -> Callable[[str], tuple[str, ...]]:
        """What cuts texts into steps."""
        return splitter(self.split, self.setting)

    def open(self) -> tuple[Generator, str]:
        """The generator, and its fingerprint."""
        found = generator(
            self.policy,
            device=self.device,
            dtype=self.dtype,
            weights=self.weights,
            split=self.splitter(),
            **{key: getattr(self, key) for key in (*LOCAL, *SERVED)},
        )
        return found, fingerprint(found)
