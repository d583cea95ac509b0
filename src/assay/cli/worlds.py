"""`assay worlds list` and `assay worlds play NAME`: small games whose written reward is not what
was meant.

Each is solved exactly, not learned: what a reward asks for is told apart from what some learner
happened to find.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from assay.console.tables import show
from assay.files import write_atomic
from assay.worlds.games import MEANT, best_policy, best_returns, game

if TYPE_CHECKING:
    from assay.worlds.gaming.planning import Policy

__all__ = ["COMMANDS"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class List:
    """The games: what is rewarded, what is meant, and the best that can be done for either, by
    exact planning."""

    def __call__(self) -> None:
        """Print the table."""
        from rich.table import Table

        from assay.worlds.gaming import ENVIRONMENTS, exact_returns, random_policy

        table = Table("game", "what counts", box=None, padding=(0, 1))
        for name in ("best for\nthe proxy", "best for\nthe truth", "random"):
            table.add_column(name, justify="right", no_wrap=True)
        for name in ENVIRONMENTS:
            env = game(name, None)
            paid, meant = MEANT.get(name, ("the proxy", "the true reward"))
            chance = exact_returns(random_policy(env))
            returns = (best_returns(env, "proxy"), best_returns(env, "true"), (chance, chance))
            steps = env.model.horizon
            table.add_row(
                f"{name}\n{steps} step{'s' if steps > 1 else ''}",
                f"paid: {paid}\nmeant: {meant}",
                *(f"{_range(a.proxy, b.proxy)}\n{_range(a.true, b.true)}" for a, b in returns),
            )
        show(table)
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
        from assay.worlds.gaming import exact_returns, random_policy, rollout
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
        policies: dict[str, Policy] = {
            "proxy": best_policy(env, "proxy"),
            "true": best_policy(env, "true"),
        }
        policies["random"] = random_policy(env)
        for name, each in policies.items():
            returns = exact_returns(each)
            told = (
                f"{name:6s}  proxy {returns.proxy:9.3f}  true {returns.true:9.3f} "
                f" {returns.steps:6.1f} steps"
            )
            print(f"{'*' if name == self.policy else ' '} {told}")
        if self.svg is not None:
            write_atomic(self.svg, to_svg(trajectory) + "\n")
            print(f"wrote {self.svg}")


def _range(low: float, high: float) -> str:
    return f"{_number(low)} to {_number(high)}" if abs(high - low) > 5e-3 else _number(low)


def _number(value: float) -> str:
    # Rounding must not leave a minus before a zero.
    return f"{round(value, 2) + 0.0:g}"


COMMANDS: dict[str, Any] = {"list": List, "play": Play}
