"""Training records of each kind of reward model, made from verified responses."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from assay.data import io
from assay.data.records import all_pairs
from assay.errors import DataError
from assay.protocols import Verifier
from assay.studies.arithmetic.world import Kind, World
from assay.types import Preference, Prompt, Ranking, Record, Response, Score, StepLabels

__all__ = ["graded", "outcomes", "preferences", "processes", "read_pools", "write"]


def graded(prompt: Prompt, responses: Sequence[Response], verifier: Verifier) -> Ranking:
    """Grade responses by the verifier's verdicts. Raises `DataError` where it gives none."""
    if prompt.reference is None:
        raise DataError(
            f"prompt {prompt.id!r} has no reference; give one that the verifier can check against"
        )
    verdicts = [verifier.verify(response.text, prompt.reference) for response in responses]
    for verdict in verdicts:
        if not isinstance(verdict, Score):
            raise DataError(
                f"prompt {prompt.id!r}: a response could not be verified: {verdict.reason}"
            )
    grades = tuple(v.value for v in verdicts if isinstance(v, Score))
    return Ranking(prompt=prompt, responses=tuple(responses), grades=grades)


def preferences(pools: Sequence[Ranking], *, most: int, seed: int) -> list[Preference]:
    """Draw pairs of a right and a wrong response to one prompt, at most `most` per prompt."""
    rng = np.random.default_rng(seed)
    drawn: list[Preference] = []
    for pool in pools:
        right = [r for r, grade in zip(pool.responses, pool.grades, strict=True) if grade == 1]
        wrong = [r for r, grade in zip(pool.responses, pool.grades, strict=True) if grade == 0]
        pairs = list(itertools.product(right, wrong))
        chosen = rng.permutation(len(pairs))[:most]
        drawn += [Preference(prompt=pool.prompt, responses=pairs[i], prefer=1.0) for i in chosen]
    return drawn


def outcomes(pools: Sequence[Ranking]) -> list[StepLabels]:
    """Label the last step of every response with the truth of its answer.

    Empty responses have no step to label.
    """
    found = []
    for pool in pools:
        for response, grade in zip(pool.responses, pool.grades, strict=True):
            if response.steps:
                found.append(StepLabels.outcome(pool.prompt, response, grade))
    return found


def processes(
    pools: Sequence[Ranking], label: Callable[[Prompt, Response], StepLabels]
) -> list[StepLabels]:
    """Label every step of every response that has any."""
    return [label(prompt, response) for prompt, response in all_pairs(pools) if response.steps]


def read_pools(path: Path) -> list[Ranking]:
    """Read a file of pools. Raises `DataError` where it holds anything else."""
    rows = list(io.read(path, format="assay"))
    pools = [record for record in rows if isinstance(record, Ranking)]
    if len(pools) != len(rows):
        raise DataError(f"{path} holds records that are not rankings; delete it and run again")
    return pools


def write(world: World, folder: Path) -> None:
    """Write the training files of the world's kinds from `train_pool.jsonl`."""
    pools = read_pools(folder / "train_pool.jsonl")
    make: Mapping[Kind, Callable[[], Sequence[Record]]] = {
        "preference": lambda: preferences(pools, most=world.pairs, seed=world.seed),
        "outcome": lambda: outcomes(pools),
        "process": lambda: processes(pools, world.label),
    }
    for kind in world.kinds:
        io.write(make[kind](), folder / f"{kind}.jsonl")
