"""`assay worlds list` and `assay worlds play NAME`: small games whose written reward is not what
was meant; `assay worlds calculator`: a policy that calls a tool, to be trained.

Each game is solved exactly, not learned: what a reward asks for is told apart from what some
learner happened to find.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from assay.console.tables import show
from assay.files import write_atomic
from assay.worlds.games import MEANT, best_policy, game
from assay.worlds.returns import returns_lines, returns_table

__all__ = ["COMMANDS"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class List:
    """The games: what is rewarded, what is meant, and the best that can be done for either, by
    exact planning."""

    def __call__(self) -> None:
        """Print the table."""
        show(returns_table())
        print(
            "\nExpected returns of an episode, exact; above what is paid, below what was meant."
            " Where numbers have\n'to' between them, policies that are equally good for the one"
            " reward differ so much in the other.\n`assay worlds play NAME` shows an episode."
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Play:
    """Play an episode by a policy that is best for the proxy, or for the truth, or at random; both
    returns beside."""

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar=f"{{{','.join(MEANT)}}}")]
    """The game."""
    policy: Literal["proxy", "true", "random"] = "proxy"
    """Policy to play: best for the proxy, best for the truth, or random."""
    horizon: int | None = None
    """Longest episode, in steps (tokens, words); none = the game's own."""
    frames: bool = False
    """Frames: the state after every step."""
    svg: Path | None = None
    """File for a drawing of the episode: a film strip above both returns."""
    seed: int = 0
    """Seed of the game's chance and of the policy's."""

    def __call__(self) -> None:
        """Plan, play, print, draw."""
        from assay.worlds.gaming import random_policy, rollout
        from assay.worlds.gaming.rendering import to_svg, to_text

        env = game(self.name, self.horizon)
        policy = random_policy(env) if self.policy == "random" else best_policy(env, self.policy)
        trajectory = rollout(env, policy, self.seed)
        paid, meant = MEANT.get(self.name, ("its proxy", "its true reward"))
        print(f"{self.name}: paid is {paid}; meant is {meant}.")
        print(to_text(trajectory, self.frames), end="")
        if not self.frames:
            print(trajectory.steps[-1].frame)
        print(f"\nexpected of an episode ({env.model.horizon} steps at most), exact:")
        print(returns_lines(env, self.policy))
        if self.svg is not None:
            write_atomic(self.svg, to_svg(trajectory) + "\n")
            print(f"wrote {self.svg}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calculator:
    """Make a policy that calls a calculator, right about a quarter of the time, and its problems:
    what `assay rl --environment calculator` trains, in a minute or two."""

    out: Path
    """Folder for policy/, problems.jsonl, held_out.jsonl, and trajectories.jsonl with a label per
    turn."""
    problems: int = 1000
    """Problems to train on."""
    held_out: int = 200
    """Other problems, to evaluate on."""
    trajectories: int = 2000
    """Labelled trajectories, of problems of their own."""
    steps: int = 600
    """Optimiser steps of the policy."""
    seed: int = 0
    """Seed of problems, demonstrations and policy."""

    def __call__(self) -> None:
        """Make and write everything."""
        from assay.studies.calculator import make

        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for path in make(**values):
            print(f"wrote {path}")


COMMANDS: dict[str, Any] = {"list": List, "play": Play, "calculator": Calculator}
