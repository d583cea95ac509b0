"""How large a quickstart is: what takes two to three minutes, and what under one."""

from assay.studies.arithmetic.running_sums import Arithmetic

__all__ = ["first_look", "quickstart"]


def quickstart(seed: int = 0) -> Arithmetic:
    """Return the world of `assay quickstart`: two to three minutes on two CPU cores.

    The policy and its samples are those of `Arithmetic`, which experiments were measured with;
    reward models see a third as many responses.
    """
    return Arithmetic(seed=seed, steps=800, batch_size=64)


def first_look(seed: int = 0) -> Arithmetic:
    """Return the world of `assay quickstart --small`: under a minute on two CPU cores.

    Everything is smaller, so intervals are wider and models weaker; there is no preference model.
    Batches are small, for a step of 32 costs half of one of 64.
    """
    return Arithmetic(
        seed=seed,
        kinds=("outcome", "process"),
        train_problems=500,
        test_problems=150,
        pool=32,
        demonstrations=1500,
        policy_steps=600,
        policy_batch=32,
        steps=300,
        batch_size=32,
    )
