"""What a search wrote and scored, in a journal: to go on where a kill stopped it, and to search
again without a policy.

One line a batch of continuations of one prefix, or of scores of one prompt's texts. A strategy is a
function of samples and scores, so to resume a search is to run it again: what is recorded is not
paid for twice. And another scorer, or another strategy, can be tried on the same candidates
(`ReplayGenerator`).
"""

import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import TypeAdapter

from assay.data.records import prompt_key
from assay.errors import BackendError, DataError
from assay.fingerprint import fingerprint
from assay.protocols import Generator, Prefix, Sampling, Scorer
from assay.runs.journal import Journal
from assay.search._plan import Scored, Steps
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["Record", "ReplayGenerator"]

_SCORED: TypeAdapter[Score | Unscored] = TypeAdapter(Score | Unscored)


class Record:
    """Samples and scores by content; without a path nothing is kept on disk.

    policy, scorer: names that tell this generator and this scorer from any other; what others did
    is never taken for theirs. Where they are not given, `run` uses the fingerprints of its
    generator and scorer. Only one process may have the file open: raises `ConfigError` otherwise.
    """

    def __init__(self, path: Path | None = None, *, policy: str = "", scorer: str = "") -> None:
        self.policy = policy
        self.scorer = scorer
        self._given = bool(policy), bool(scorer)
        self.prompts: dict[str, Prompt] = {}
        """Every prompt by its key, in the order of their first request."""
        self.samples: dict[tuple[str, str, Steps, str], dict[int, Response]] = defaultdict(dict)
        """By policy, prompt, prefix and sampling; those of a prefix by their numbers."""
        self.samplings: dict[str, Sampling] = {}
        """How was sampled, by its key."""
        self._scores: dict[tuple[str, str], Scored] = {}
        self._tokens: dict[tuple[str, str], int | None] = {}
        self._journal = None if path is None else Journal(path, self._load)

    def name(self, generator: Generator, scorer: Scorer | None) -> None:
        """Go by the fingerprints of a generator and a scorer, where no names were given.

        Raises `ConfigError` where one has no content to be named by.
        """
        by_policy, by_scorer = self._given
        if not by_policy:
            self.policy = fingerprint(generator)
        if not by_scorer:
            self.scorer = fingerprint(scorer)

    def known(self, prefix: Prefix, sampling: Sampling) -> list[Response]:
        """The recorded samples of a prefix, from number `prefix.first` to the first that is not
        there."""
        there = self.samples.get(self._key(prefix, sampling), {})
        return [
            there[i] for i in itertools.takewhile(there.__contains__, itertools.count(prefix.first))
        ]

    def add(self, prefix: Prefix, sampling: Sampling, responses: Sequence[Response]) -> None:
        """Keep samples, of which the first is number `prefix.first`: on disk before anything is
        made of them."""
        key = self._key(prefix, sampling)
        self._note_prompt(prefix.prompt)
        depth = len(prefix.steps)
        rows = [
            {"steps": r.steps[depth:], "finished": r.finished, "tokens": r.meta.get("tokens")}
            for r in responses
        ]
        self._append(
            {
                "kind": "samples", "policy": self.policy, "prompt": key[1], "prefix": prefix.steps,
                "sampling": asdict(replace(sampling, n=1)), "first": prefix.first, "samples": rows,
            }
        )  # fmt: skip
        self._note_samples(key, sampling, prefix.first, responses)

    def score(self, prompt: Prompt, response: Response) -> Scored | None:
        """Return what the scorer said of a text; None where it was not asked."""
        return self._scores.get((self.scorer, text_key(prompt, response)))

    def tokens(self, prompt: Prompt, response: Response) -> int | None:
        """Tokens that went through the scorer for a text; None where it does not count them."""
        return self._tokens.get((self.scorer, text_key(prompt, response)))

    def add_scores(
        self,
        prompt: Prompt,
        responses: Sequence[Response],
        scores: Sequence[Scored],
        tokens: Sequence[int | None],
    ) -> None:
        """Keep scores. tokens: those that went through the scorer for each."""
        self._note_prompt(prompt)
        keys = [text_key(prompt, response) for response in responses]
        rows = [
            {"of": key, "tokens": count, **score.model_dump(exclude_defaults=True)}
            for key, score, count in zip(keys, scores, tokens, strict=True)
        ]
        self._append(
            {"kind": "scores", "scorer": self.scorer, "prompt": prompt_key(prompt), "scores": rows}
        )
        for key, score, count in zip(keys, scores, tokens, strict=True):
            self._scores[self.scorer, key], self._tokens[self.scorer, key] = score, count

    def close(self) -> None:
        """Let others open it."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _key(self, prefix: Prefix, sampling: Sampling) -> tuple[str, str, Steps, str]:
        return self.policy, prompt_key(prefix.prompt), prefix.steps, _sampling_key(sampling)

    def _append(self, body: Mapping[str, Any]) -> None:
        if self._journal is not None:
            self._journal.append(body)

    def _note_prompt(self, prompt: Prompt) -> None:
        key = prompt_key(prompt)
        if key not in self.prompts:
            self._append({"kind": "prompt", "prompt": key, "body": prompt.model_dump(mode="json")})
            self.prompts[key] = prompt

    def _note_samples(
        self,
        key: tuple[str, str, Steps, str],
        sampling: Sampling,
        first: int,
        responses: Sequence[Response],
    ) -> None:
        self.samples[key].update(enumerate(responses, first))
        self.samplings[key[3]] = replace(sampling, n=1)

    def _load(self, body: dict[str, Any]) -> None:
        match body["kind"]:
            case "prompt":
                self.prompts[body["prompt"]] = Prompt.model_validate(body["body"])
            case "samples":
                sampling = Sampling(**{**body["sampling"], "stop": tuple(body["sampling"]["stop"])})
                prefix = tuple(body["prefix"])
                responses = [
                    Response(
                        steps=(*prefix, *row["steps"]),
                        finished=row["finished"],
                        meta={} if row["tokens"] is None else {"tokens": row["tokens"]},
                    )
                    for row in body["samples"]
                ]
                at = body["policy"], body["prompt"], prefix, _sampling_key(sampling)
                self._note_samples(at, sampling, body["first"], responses)
            case "scores":
                for row in body["scores"]:
                    key = body["scorer"], row.pop("of")
                    self._tokens[key] = row.pop("tokens")
                    self._scores[key] = _SCORED.validate_python(row)
            case other:
                raise ValueError(f"a line of kind {other!r}")


class ReplayGenerator:
    """A generator that gives what was recorded, in its order, and fewer samples where there are no
    more.

    A pool of whole responses can be asked for those, a record of a search for what that search
    wrote: a strategy that turns elsewhere finds nothing there. Sampling settings must be the
    recorded ones, but for n and the seed.
    """

    def __init__(self, groups: Iterable[Group] = (), record: Record | None = None) -> None:
        self.sampling: Sampling | None = None
        """How whole responses were sampled, where that is recorded and there is one way."""
        self.step: Sampling | None = None
        """How steps were."""
        pools = list(groups)
        self._pools = {prompt_key(group.prompt): group.responses for group in pools}
        self._samples: dict[tuple[str, Steps, str], dict[int, Response]] = {}
        self.prompts = [group.prompt for group in pools]
        """Those that there is anything of."""
        if record is not None:
            self._take(record)
            self.prompts += record.prompts.values()

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """From the file of a `Record`. Raises `DataError` where it holds no samples."""
        if not path.is_file():
            raise DataError(
                f"{path} is no file; give the record.jsonl of a search, or a pool of responses"
            )
        with Record(path) as record:
            if not record.samples:
                raise DataError(
                    f"{path} holds no samples; give the record.jsonl of a search, or a pool of"
                    " responses"
                )
            return cls(record=record)

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        """Those of `sampling.n` recorded responses a prefix that there are. Raises `BackendError`
        where there is none at all of these settings."""
        return [self._of(prefix, sampling) for prefix in prefixes]

    def _of(self, prefix: Prefix, sampling: Sampling) -> list[Response]:
        pool = self._pools.get(prompt_key(prefix.prompt), ())
        if not prefix.steps and pool and not sampling.stop:
            return list(pool[prefix.first : prefix.first + sampling.n])
        how = _without_seed(sampling)
        found = self._samples.get((prompt_key(prefix.prompt), prefix.steps, how))
        if found is None:
            ways = {key[2] for key in self._samples}
            if self._samples and how not in ways:
                raise BackendError(
                    f"nothing was recorded with these settings: {how}; there is"
                    f" {' and '.join(sorted(ways))}"
                )
            return []
        return [found[i] for i in range(prefix.first, prefix.first + sampling.n) if i in found]

    def _take(self, record: Record) -> None:
        whole: set[Sampling] = set()
        steps: set[Sampling] = set()
        for (_, prompt, prefix, how), responses in record.samples.items():
            sampling = record.samplings[how]
            self._samples.setdefault((prompt, prefix, _without_seed(sampling)), dict(responses))
            if not sampling.stop:
                whole.add(sampling)
            elif sampling.temperature > 0:
                steps.add(sampling)
        self.sampling = next(iter(whole)) if len(whole) == 1 else None
        self.step = next(iter(steps)) if len(steps) == 1 else None


def text_key(prompt: Prompt, response: Response) -> str:
    """The same response in the same steps has the same, where the prompt is all the same but for
    its id: a verifier reads the reference, too."""
    return _hash(
        [prompt.model_dump(mode="json", exclude={"id"}), response.steps, response.finished]
    )


def _sampling_key(sampling: Sampling) -> str:
    return _hash([*_settings(sampling).values(), sampling.seed])


def _without_seed(sampling: Sampling) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in _settings(sampling).items())


def _settings(sampling: Sampling) -> dict[str, Any]:
    return {key: getattr(sampling, key) for key in ("max_tokens", "temperature", "top_p", "stop")}


def _hash(body: Any) -> str:
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()[:24]
