"""The players of an arena: files of responses, checkpoints of an RL run, generators, and rewards
that pick from a pool."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from assay.answerers.ledger import Ledger
from assay.data.records import as_group, prompt_key, prompt_of, responses_of, subset
from assay.errors import ConfigError, DataError
from assay.files import whole
from assay.fingerprint import fingerprint
from assay.protocols import Generator, Prefix, Sampling, Scorer
from assay.runs.metrics import read_rows
from assay.runs.run import Run
from assay.specs.words import parse
from assay.types import Group, Message, Prompt, Record, Response, Score, Unscored
from assay.workflows._data import read
from assay.workflows._judging import ask_kept

__all__ = ["SAMPLES", "SCORES", "Entered", "Given", "entered"]

Given = Sequence[str] | Mapping[str, Any]
"""`[NAME=]WORD` each; or words, generators or groups of responses by name."""
SAMPLES: Final = "samples.jsonl"
"""What a run of `assay rl` keeps of its evaluations."""
TEXTS: Final = "kept-texts.jsonl"
SCORES: Final = "kept-scores.jsonl"
PICK: Final = "pick:"
"""Before a scorer's word: the player is what the scorer prefers of a pool."""
STEP: Final = "@"
"""Between a run's name and the step of a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Entered:
    """What players are made with."""

    records: Sequence[Record]
    """Prompts to play on, or a pool to pick from; none where players bring their own."""
    scorer: Callable[[str], Scorer]
    generator: Callable[[str], Generator]
    sampling: Sampling
    ledger: Ledger
    run: Run | None
    chunk: int
    checkpoints: int
    """Most checkpoints of an RL run."""

    @property
    def prompts(self) -> list[Prompt] | None:
        """The prompts to play on, each once; None where players bring their own."""
        if not self.records:
            return None
        return list({prompt_key(p): p for p in map(prompt_of, self.records)}.values())


def entered(given: Given, place: Entered) -> dict[str, list[Group]]:
    """Return the groups of responses of every player, by name.

    Raises `ConfigError` for two players of one name, and for a generator or a scorer without
    prompts or a pool.
    """
    found: dict[str, list[Group]] = {}
    pairs = given.items() if isinstance(given, Mapping) else map(_named, given)
    for name, what in pairs:
        for one, groups in _player(name, what, place).items():
            if one in found:
                raise ConfigError(f"two players are called {one!r}; name them: NAME=WORD")
            found[one] = groups
    return found


def _named(text: str) -> tuple[str, str]:
    if not Path(text).exists() and (of := whole(Path(text))).is_file():
        return of.stem, text  # rows.json?split=test: its "=" is of no name
    word = parse(text)
    what = text.removeprefix(f"{word.name}=") if word.name else text
    path = Path(what)
    return word.name or (path.stem if path.is_file() else path.name or what), what


def _player(name: str, what: Any, place: Entered) -> dict[str, list[Group]]:
    """One player, or the checkpoints of a run."""
    if not isinstance(what, (str, Path)):
        if isinstance(what, Generator):
            return {name: _generated(name, what, place)}
        if isinstance(what, Scorer):
            return {name: _picked(name, what, place)}
        return {name: [as_group(record) for record in what]}
    word, path = str(what), Path(what)
    if word.startswith(PICK):
        return {name: _picked(name, place.scorer(word.removeprefix(PICK)), place)}
    if (path / SAMPLES).is_file():
        return _checkpoints(name, path / SAMPLES, place)
    if whole(path).is_file() or word.startswith("hf:"):
        groups = [as_group(record) for record in read(word, None, None) if responses_of(record)]
        if not groups:
            raise DataError(f"{word} holds no responses; give a file with some for player {name!r}")
        return {name: groups}
    return {name: _generated(name, place.generator(word), place)}


def _generated(name: str, generator: Generator, place: Entered) -> list[Group]:
    """A generator's response to each prompt, kept as it comes."""
    prompts = place.prompts
    if prompts is None:
        raise ConfigError(f"player {name!r} writes responses, and there are no prompts; give DATA")
    said: list[list[Response]] = ask_kept(
        place.run,
        f"{fingerprint(generator)}\n{place.sampling}",
        prompts,
        lambda some: generator.generate([Prefix(p) for p in some], place.sampling),
        list[Response],
        chunk=place.chunk,
        ledger=place.ledger,
        what=f"{name} writes",
        kept=TEXTS,
    )
    return [Group(prompt=p, responses=tuple(r)) for p, r in zip(prompts, said, strict=True)]


def _picked(name: str, scorer: Scorer, place: Entered) -> list[Group]:
    """The response of each pool that a scorer prefers, the first of equals; none where a response
    has no score, for it might have been the best."""
    pool = [as_group(record) for record in place.records if len(responses_of(record)) > 1]
    if not pool:
        raise ConfigError(
            f"player {name!r} picks responses, and DATA is no pool; give prompts with several"
            " responses each"
        )
    scores: list[list[Score | Unscored]] = ask_kept(
        place.run,
        fingerprint(scorer),
        pool,
        scorer.score,
        list[Score | Unscored],
        chunk=place.chunk,
        ledger=place.ledger,
        what=f"{name} picks",
        kept=SCORES,
    )
    picked = []
    for group, row in zip(pool, scores, strict=True):
        values = [each.value for each in row if isinstance(each, Score)]
        if len(values) == len(row):
            picked.append(subset(group, [values.index(max(values))]))
    if not picked:
        raise DataError(f"player {name!r} scores no pool whole, so it picks nothing")
    return picked


def _checkpoints(name: str, path: Path, place: Entered) -> dict[str, list[Group]]:
    """The responses of an RL run's evaluations, a player per step, evenly spaced."""
    rows = [row for row in read_rows(path) if row.get("step") is not None]
    steps = sorted({int(row["step"]) for row in rows})
    if not steps:
        raise DataError(
            f"{path} holds no evaluation; give a run of `assay rl` with held-out prompts"
        )
    most = place.checkpoints
    if len(steps) > most:
        chosen = {round(i * (len(steps) - 1) / max(1, most - 1)) for i in range(most)}
        steps = [step for i, step in enumerate(steps) if i in chosen]
    by_text = {prompt.text: prompt for prompt in place.prompts or ()}
    found: dict[str, list[Group]] = {f"{name}{STEP}{step}": [] for step in steps}
    for row in rows:
        if (player := f"{name}{STEP}{row['step']}") in found:
            prompt = by_text.get(row["prompt"], Prompt.of(row["prompt"]))
            found[player].append(Group(prompt=prompt, responses=(_sampled(row),)))
    return found


def _sampled(row: Mapping[str, Any]) -> Response:
    if turns := row.get("turns"):
        return Response.trajectory(Message(role=role, content=text) for role, text in turns)
    return Response(steps=tuple(row["response"]))
