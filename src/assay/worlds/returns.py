"""Exact returns of the games, for a reader: of the best policies, and of one that is played."""

from typing import TYPE_CHECKING, Any

from assay.worlds.games import MEANT, best_policy, best_returns, game

if TYPE_CHECKING:
    from rich.table import Table

    from assay.worlds.gaming import GamingEnv

__all__ = ["returns_lines", "returns_table"]


def returns_table() -> "Table":
    """Tabulate every game: what is paid and meant, and the best that can be done for either."""
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
    return table


def returns_lines(env: "GamingEnv[Any]", played: str) -> str:
    """Return a line per policy (proxy, true, random) with its expected returns; the one played is
    marked."""
    from assay.worlds.gaming import exact_returns, random_policy

    policies = {
        "proxy": best_policy(env, "proxy"),
        "true": best_policy(env, "true"),
        "random": random_policy(env),
    }
    lines = []
    for name, policy in policies.items():
        mark, returns = "*" if name == played else " ", exact_returns(policy)
        lines.append(
            f"{mark} {name:6s}  proxy {returns.proxy:9.3f}  true {returns.true:9.3f} "
            f" {returns.steps:6.1f} steps"
        )
    return "\n".join(lines)


def _range(low: float, high: float) -> str:
    return f"{_number(low)} to {_number(high)}" if abs(high - low) > 5e-3 else _number(low)


def _number(value: float) -> str:
    # Rounding must not leave a minus before a zero.
    return f"{round(value, 2) + 0.0:g}"
