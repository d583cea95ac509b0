"""What to run after a quickstart: commands on what it left in its folder."""

import shlex
from pathlib import Path

from assay.studies.arithmetic.sizes import first_look
from assay.studies.arithmetic.world import World

__all__ = ["next_steps", "size_note"]


def next_steps(world: World, out: Path) -> dict[str, str]:
    """Return commands to run next, each with what it shows."""
    folder, kind = shlex.quote(str(out)), world.kinds[-1]
    pool, model = f"{folder}/data/test_pool.jsonl", f"{folder}/models/{kind}"
    evaluate = f"assay eval {pool} --scorer {model} --out runs/eval"
    choose = f"assay best-of-n {pool} --scorer {model} --out runs/best-of-n"
    steps = {
        evaluate: f"accuracy and calibration of the {kind} model, beside baselines",
        choose: "best-of-n and votes by one scorer",
        "assay train --help": "reward models from your own preferences, outcomes or step labels",
    }
    if size_note(world):
        return {"assay quickstart": "the same in full size, in two to three minutes"} | steps
    return steps


def size_note(world: World) -> str:
    """Return what a reader must know of a first look's size; empty for any other world."""
    if world != first_look(world.seed):
        return ""
    return (
        "This is a first look: fewer problems, samples and training steps. Intervals are wider and"
        " reward models weaker than in `assay quickstart` without --small."
    )
