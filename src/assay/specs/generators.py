"""The policy that commands sample from: a folder, the built-in SmolLM2, or a server. No command of
its own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from assay.data.splitting import SPLITTERS
from assay.errors import ConfigError
from assay.fingerprint import fingerprint
from assay.protocols import Generator, Sampling
from assay.runs.settings import made

__all__ = ["Policy", "weights_hash"]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What writes responses, and how."""

    policy: str
    """Folder of a causal LM, "smol" for SmolLM2-135M-Instruct, or the URL of an OpenAI-compatible
    server (.../v1)."""

    model: str = ""
    """The model's name at a server."""

    api: Literal["chat", "completions"] = "chat"
    """How a server is asked; not every server continues a begun answer in a chat (see
    `assay.engines.openai`)."""

    concurrency: int = 16
    """Requests to a server under way at once."""

    template: Literal["chat", "plain"] = "chat"
    """How a local model's prompt is laid out: by its chat template, or as bare text."""

    join: str = "\n"
    """Text between prompt and response, where the template is plain."""

    split: Annotated[
        str, tyro.conf.arg(metavar="POLICY", help=f"Where steps end: {', '.join(SPLITTERS)}.")
    ] = "newline"

    setting: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")] = ()
    """Settings of the splitting policy, e.g. pattern=;\\s or word=Schritt."""

    extra: str = ""
    """More settings for every request to a server, as JSON, e.g. '{"top_k": 0, "min_p": 0}': what a
    server samples by when it is told nothing differs from server to server."""

    temperature: float = 1.0
    """Of the samples; 0 is greedy."""

    top_p: float = 1.0
    """Sample among the likeliest tokens that make up this probability."""

    max_tokens: int = 512
    """Longest continuation, in tokens."""

    max_length: int = 4096
    """Longest sequence of a local model, prompt and all, in tokens."""

    seed: int = 0
    """Another seed, other samples."""

    device: str = "auto"
    """Where a local model runs: cpu, cuda, or auto."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision of a local model."""

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
        """Cuts texts into steps."""
        if self.split not in SPLITTERS:
            raise ConfigError(
                f"no splitting policy is called {self.split!r}; there is {', '.join(SPLITTERS)}"
            )
        split: Callable[[str], tuple[str, ...]] = made(
            SPLITTERS[self.split], self.split, self.setting
        )
        return split

    def open(self) -> tuple[Generator, str]:
        """The generator, and its fingerprint."""
        split = self.splitter()
        if self.policy.startswith(("http://", "https://")):
            from assay.engines.openai import OpenAI

            if not self.model:
                raise ConfigError("a server serves models by name; give --model NAME")
            server = OpenAI(
                base_url=self.policy,
                model=self.model,
                api=self.api,
                concurrency=self.concurrency,
                split=split,
                extra=self._extra(),
            )
            return server, fingerprint(server)
        return self._local(split)

    def _extra(self) -> Mapping[str, Any]:
        try:
            found = json.loads(self.extra or "{}")
        except json.JSONDecodeError as error:
            raise ConfigError(f"extra is not JSON ({error}): {self.extra!r}") from error
        if not isinstance(found, dict):
            raise ConfigError(f"extra must be a JSON object, got {self.extra!r}")
        return found

    def _local(self, split: Callable[[str], tuple[str, ...]]) -> tuple[Generator, str]:
        from assay.engines.hf import HuggingFace
        from assay.models.fit import fitted
        from assay.models.layout import Layout
        from assay.models.policy import open_policy

        model, tokenizer, _ = open_policy(self.policy, dtype=self.dtype, device=self.device)
        layout = fitted(
            Layout(template=self.template, join=self.join, max_length=self.max_length), model
        )
        generator = HuggingFace(model, tokenizer, layout=layout, split=split)
        return generator, fingerprint(generator)


def weights_hash(folder: Path) -> str:
    """Return the fingerprint of a model's folder; the old name of `fingerprint`, for folders."""
    return fingerprint(folder)
