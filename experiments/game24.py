"""Searching GPT-4's Game of 24 again: which strategy, by whose values, finds how many of 100
solutions.

    python -m experiments.game24
    python -m experiments.game24 --json

Proposals are GPT-4's own, replayed from the log of arXiv:2305.10601 (`game24_log`); so are its
values, beside which stand the exact solver, two process models trained here (`game24_model`) and
chance. The log holds what its own beam of five asked for. Three trees are searched:

* logged: four lines, and proposals of the very texts that the log expanded. Here the log's numbers
  can be had again: .69 any of five, .62 the first.
* open: three lines, without the answer, right where they are possible operations that make 24. A
  state has the proposals of any state that GPT-4 was shown in the same words. A search that wants
  what is not there is at a dead end.
* closed: the same without the proposals after which the log does not reach the end. There are no
  dead ends, but what there is was chosen by GPT-4's values.

A dead end counts as a failure. Success is a mean over `seeds`, of ties and of chance, within each
game. States that were expanded are what a search costs in calls of the policy, texts that were
scored what it costs in calls of the scorer; for GPT-4's value that is three samples a prompt.
"""

import dataclasses
import itertools
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from experiments.game24_log import (
    CLOSED,
    LOGGED,
    NAIVE,
    OPEN,
    Game,
    Log,
    Replay,
    Tree,
    left,
    read,
    right,
    right_answer,
    shown,
    valued,
    winnable,
)
from experiments.real_prm import game24_states

from assay.protocols import Sampling, Scorer
from assay.runs.settings import write_atomic
from assay.search import Search, SearchResult, run
from assay.search.beam import Beam
from assay.search.best_first import BestFirst
from assay.search.dvts import Dvts
from assay.search.mcts import Mcts
from assay.stats import Estimate, auroc, paired_bootstrap, proportion
from assay.testing import FakeScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from assay.worlds.threads import threads
from experiments import game24_model

ALL = 64
"""More than any state has proposals."""
LINE = Sampling(stop=("\n",))
STRATEGIES: Mapping[str, Callable[[int], Search]] = {
    "greedy": lambda seed: Dvts(n=ALL, width=ALL, seed=seed),
    "beam 1": lambda seed: Beam(n=ALL, width=1, seed=seed),
    "beam 3": lambda seed: Beam(n=3 * ALL, width=3, seed=seed),
    "beam 5": lambda seed: Beam(n=5 * ALL, width=5, seed=seed),
    "best first, first end": lambda seed: BestFirst(
        each=ALL, expansions=ALL, finished=1, seed=seed
    ),
    "best first, 11 states": lambda seed: BestFirst(
        each=ALL, expansions=11, finished=ALL**2, seed=seed
    ),
    "mcts, 5 states": lambda seed: Mcts(each=ALL, simulations=5, seed=seed),
    "mcts, 11 states": lambda seed: Mcts(each=ALL, simulations=11, seed=seed),
    "mcts, 32 states": lambda seed: Mcts(each=ALL, simulations=32, seed=seed),
}
"""A beam of five expands 1 + 5 + 5 states of a tree of three lines, a greedy search three."""
WHERE_IT_CAN_GET_LOST = ("greedy", "beam 1", "beam 3", "beam 5")
"""What is run in the logged and the open tree; all are in the closed one."""
LADDERS = (
    ("beam 1", "beam 3", "beam 5"),
    ("mcts, 5 states", "mcts, 11 states", "mcts, 32 states"),
)
RANKS = ("random", "model, unseen states", "GPT-4's value", "model, unseen games", "exact solver")
"""By AUROC at the first step, where they differ most."""
Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Search the log again."""

    out: Path = Path("runs/game24")
    """Where the models and result.json go."""
    seeds: int = 3
    """Of ties and of the random scorer; each is another search."""
    replays: int = 10
    """Seeds with which the log's own search is repeated."""
    records: int = 40_000
    """Random games that the models learn from."""
    steps: int = 700
    """Optimiser steps of each model."""
    seed: int = 0
    """Of the models."""
    json: bool = False
    """Print the numbers as JSON instead of as tables."""

    def __call__(self) -> None:
        """Measure, print, and write result.json."""
        start, log = time.process_time(), Log()
        with threads(1):
            models = self.models(log.games)
            result: dict[str, Any] = {
                "log": as_logged(log),
                "log_replayed": replayed(log, self.replays),
                "baselines": baselines(log),
                "coverage": coverage(log),
                "auroc": opinions(log, models),
            }
            rows = table(log, models, self.seeds)
        result["table"] = [
            {key: value for key, value in row.items() if key != "credit"} for row in rows
        ]
        result["differences"] = differences(rows)
        result["cpu_seconds"] = round(time.process_time() - start, 1)
        result["settings"] = json.loads(json.dumps(dataclasses.asdict(self), default=str))
        self.out.mkdir(parents=True, exist_ok=True)
        write_atomic(self.out / "result.json", json.dumps(result, indent=1))
        print(json.dumps(result) if self.json else tables(result))

    def models(self, games: Sequence[Game]) -> dict[str, game24_model.Reads]:
        """Process models, trained or loaded."""
        kinds: dict[str, game24_model.Unseen] = {
            "model, unseen states": "states",
            "model, unseen games": "games",
        }
        return {
            name: game24_model.fit(
                games,
                unseen,
                self.out / unseen,
                records=self.records,
                steps=self.steps,
                seed=self.seed,
            )
            for name, unseen in kinds.items()
        }


def scorers(
    log: Log, tree: Tree, models: Mapping[str, Scorer]
) -> Mapping[str, Callable[[int], Scorer]]:
    """Who may judge, by name; each by a seed, that chance alone needs."""

    def solver(prompt: Prompt, response: Response) -> float:
        if response.finished:
            return float(right(prompt.text, response.text, tree.lines))
        return float(winnable(prompt.text, response.text))

    def opinion(prompt: Prompt, response: Response) -> float | None:
        # The log's rule for its last line, that what is no answer is worth nothing, holds for the
        # last of three, too.
        if (
            response.finished
            and tree.lines == 3
            and len(shown(response.text, prompt.text).split()) != 1
        ):
            return 0.0
        return log.value(prompt.text, response.text)

    def checked(prompt: Prompt, response: Response) -> float | None:
        steps = "".join(response.text.splitlines(keepends=True)[:3])
        return opinion(prompt, response) if left(prompt.text, steps) else -1.0

    def drawn(seed: int) -> Scorer:
        return FakeScorer(
            lambda prompt, r: random.Random(f"{seed}\n{prompt.text}\n{r.text}").random()
        )

    judges: dict[str, Scorer] = {
        **models,
        "GPT-4's value": FakeScorer(opinion),
        "GPT-4's value, steps checked": FakeScorer(checked),
        "exact solver": FakeScorer(solver),
    }
    return {"random": drawn, **{name: partial(_same, judge) for name, judge in judges.items()}}


def _same(judge: Scorer, seed: int) -> Scorer:
    return judge


def search(
    log: Log, tree: Tree, strategy: Search, scorer: Scorer
) -> tuple[list[SearchResult], Replay]:
    """Every game searched; and the generator, with its counts."""
    generator = Replay(log, tree)
    results = run(
        strategy,
        [game.prompt for game in log.games],
        generator,
        scorer,
        step=LINE,
        together=len(log.games),
    )
    return results, generator


def solved(result: SearchResult, tree: Tree) -> tuple[bool, bool]:
    """Whether the chosen text is right, and whether any is of those that it was chosen from."""
    numbers = result.group.prompt.text
    ends = [r.finished and right(numbers, r.text, tree.lines) for r in result.group.responses]
    return result.choice is not None and ends[result.choice], any(ends)


def as_logged(log: Log) -> dict[str, Any]:
    """What the log itself reports, by its own verdicts; and of its steps, without the answers
    written from them."""
    steps = [[right(g.numbers, text, 3) for text in g.steps[2].kept] for g in log.games]
    written = [
        (right(g.numbers, text, 3), right(g.numbers, new, 4))
        for g in log.games
        for text in g.steps[3].expanded
        for new in g.steps[3].proposals
        if new.startswith(text) and shown(text, g.numbers) == "24"
    ]
    return {
        "any of five": estimate([any(g.right) for g in log.games]),
        "first": estimate([g.right[0] for g in log.games]),
        "first, were its ties drawn": estimate([first_if_drawn(log, g) for g in log.games]),
        "games in which the cut at five parts equals, by step": [
            sum(parts_equals(log, g, step) for g in log.games) for step in range(4)
        ],
        "steps, any of five": estimate([any(row) for row in steps]),
        "steps, first": estimate([row[0] for row in steps]),
        "answers written": len(written),
        "of possible steps": sum(possible for possible, _ in written),
        "of these right": sum(possible and good for possible, good in written),
        "values that were a fourth line's 0, and of these of states that can be won": spoilt(log),
    }


def spoilt(log: Log) -> list[int]:
    """States of the first three steps whose value is the 0 that a fourth line with the same numbers
    had before."""
    zeros: set[tuple[str, ...]] = set()
    known: set[tuple[str, ...]] = set()
    found = []
    for game in log.games:
        for depth, step in enumerate(game.steps):
            for text in dict.fromkeys(step.proposals):
                key = valued(text, game.numbers)
                if depth < 3 and key in zeros:
                    found.append(winnable(game.numbers, text))
                elif key not in known and depth == 3 and "answer" not in text.lower():
                    zeros.add(key)
                known.add(key)
    return [len(found), sum(found)]


def first_if_drawn(log: Log, game: Game) -> float:
    """The chance that the best-valued output is right, drawn among equals."""
    values = [log.value(game.numbers, text) or 0.0 for text in game.steps[-1].kept]
    return float(
        np.mean([r for r, value in zip(game.right, values, strict=True) if value == max(values)])
    )


def parts_equals(log: Log, game: Game, step: int) -> bool:
    """Whether the fifth and the sixth of the values are the same."""
    texts = dict.fromkeys(game.steps[step].proposals)
    values = sorted((log.value(game.numbers, text) or 0.0 for text in texts), reverse=True)
    return len(values) > 5 and values[4] == values[5]


def replayed(log: Log, seeds: int) -> dict[str, Any]:
    """The log's beam of five, by our code: with its order of ties, and with drawn ones."""
    place = {
        (g.numbers, text): i
        for g in log.games
        for step in g.steps
        for i, text in reversed([*enumerate(step.proposals)])
    }

    def ordered(prompt: Prompt, response: Response) -> float | None:
        value = log.value(prompt.text, response.text)
        return None if value is None else value - 1e-6 * place[prompt.text, response.text]

    gpt4 = FakeScorer(lambda prompt, response: log.value(prompt.text, response.text))
    results, _ = search(log, LOGGED, STRATEGIES["beam 5"](0), FakeScorer(ordered))
    same = [
        {r.text for r in result.group.responses} == set(game.steps[-1].kept)
        for result, game in zip(results, log.games, strict=True)
    ]
    tops, anys = zip(*(solved(result, LOGGED) for result in results), strict=True)
    found: dict[str, Any] = {
        "ties in the log's order": {
            "first": sum(tops),
            "any": sum(anys),
            "games with the same five": sum(same),
        }
    }
    for name, tree in {
        "ties drawn": LOGGED,
        "ties drawn, closed": dataclasses.replace(LOGGED, closed=True),
    }.items():
        first, some, dead = [], [], []
        for seed in range(seeds):
            results, generator = search(log, tree, STRATEGIES["beam 5"](seed), gpt4)
            tops, anys = zip(*(solved(result, tree) for result in results), strict=True)
            first.append(sum(tops))
            some.append(sum(anys))
            dead.append(generator.missing.total() / len(log.games))
        found[name] = {
            "first": spread(first),
            "any": spread(some),
            "dead ends a game": float(np.mean(dead)),
        }
    return found


def spread(values: Sequence[int]) -> dict[str, float]:
    """Mean and range over seeds."""
    return {"mean": float(np.mean(values)), "low": min(values), "high": max(values)}


def baselines(log: Log) -> dict[str, Any]:
    """GPT-4 without a search, and what the best search could find."""
    found: dict[str, Any] = {}
    for name, path in NAIVE.items():
        samples = [
            [right_answer(game.numbers, text) for text in row["ys"]]
            for row, game in zip(read(path), log.games, strict=True)
        ]
        found[name] = estimate([float(np.mean(row)) for row in samples])
        found[f"{name}, any of 100"] = estimate([any(row) for row in samples])
    for tree in (LOGGED, OPEN):
        leaves = {game.numbers: [*Replay(log, tree).leaves(game.numbers)] for game in log.games}
        good = {
            numbers: [right(numbers, text, tree.lines) for text in texts]
            for numbers, texts in leaves.items()
        }
        found[f"oracle, {tree.name}"] = estimate([any(row) for row in good.values()])
        found[f"random leaf, {tree.name}"] = estimate(
            [float(np.mean(row)) for row in good.values()]
        )
        if tree.lines == 3:
            claims = sum(shown(text, "") == "24" for texts in leaves.values() for text in texts)
            found["leaves, those that leave 24, and of these by possible steps"] = [
                sum(map(len, leaves.values())),
                claims,
                sum(map(sum, good.values())),
            ]
    return found


def coverage(log: Log) -> dict[str, list[dict[str, Any]]]:
    """By whose proposals a state has: states that a search could ask for after so many lines, and
    those expanded."""
    found = {}
    for share in ("text", "game", "log"):
        replay = Replay(log, Tree(share, 3, share))
        level = [(game.numbers, "") for game in log.games]
        rows = []
        for depth in range(3):
            lines = {state: replay.lines(*state) for state in level}
            there = {state: new for state, new in lines.items() if new is not None}
            rows.append({"after": depth, "states": len(lines), "expanded": len(there)})
            level = [
                (numbers, text + line)
                for (numbers, text), new in there.items()
                for line in dict.fromkeys(new)
            ]
        found[share] = rows
    return found


def opinions(log: Log, models: Mapping[str, game24_model.Reads]) -> dict[str, Any]:
    """AUROC of each scorer for "24 can still be made of the numbers left", by depth, over the log's
    states."""
    found: dict[str, Any] = {}
    for depth, states in game24_states().items():
        won, of = [s.won for s in states], [s.prompt.text for s in states]
        found[str(depth)] = {"states": len(states), "can be won": sum(won)}
        found[str(depth)]["GPT-4's value"] = dataclasses.asdict(
            auroc([s.opinion for s in states], won, clusters=of)
        )
        groups = [
            Group(prompt=Prompt.of(numbers_of(s.prompt)), responses=(s.response,)) for s in states
        ]
        for name, model in models.items():
            scores = [row[0] for row in model.score(groups)]
            met = [
                game24_model.words(tuple(sorted(s.left)), after=1) in model.trained_on
                for s in states
            ]
            found[str(depth)][name] = dataclasses.asdict(area(scores, won, of)) | {
                "in training": float(np.mean(met))
            }
            rest = [i for i, seen in enumerate(met) if not seen]
            if len({won[i] for i in rest}) == 2:
                unmet = area(
                    [scores[i] for i in rest], [won[i] for i in rest], [of[i] for i in rest]
                )
                found[str(depth)][f"{name}, those not in training"] = dataclasses.asdict(unmet)
    return found


def area(scores: Sequence[Score | Unscored], won: Sequence[bool], of: Sequence[str]) -> Estimate:
    """AUROC by game, the unscored left out and counted."""
    there = [(score.value, i) for i, score in enumerate(scores) if isinstance(score, Score)]
    return auroc(
        [value for value, _ in there],
        [won[i] for _, i in there],
        clusters=[of[i] for _, i in there],
        unscored=len(scores) - len(there),
    )


def numbers_of(prompt: Prompt) -> str:
    """The game in the prompt of a state of `game24_states`."""
    return prompt.text.removeprefix("Use the numbers ").partition(",")[0]


def table(log: Log, models: Mapping[str, Scorer], seeds: int) -> Rows:
    """A row a tree, scorer and strategy; `credit` is each game's share of seeds that solved it."""
    rows = []
    for tree in (LOGGED, OPEN, CLOSED):
        for judge, scorer in scorers(log, tree, models).items():
            for name, strategy in STRATEGIES.items():
                if tree is not CLOSED and name not in WHERE_IT_CAN_GET_LOST:
                    continue
                counts = [
                    one(log, tree, strategy(seed), scorer(seed))
                    for seed in range(1 if judge in models else seeds)
                ]
                chosen, any_, states, dead, scored, unscored = np.mean(counts, axis=0)
                rows.append(
                    {
                        "tree": tree.name,
                        "scorer": judge,
                        "strategy": name,
                        "chosen": dataclasses.asdict(proportion(chosen)),
                        "any": dataclasses.asdict(proportion(any_)),
                        "states": float(states.mean()),
                        "dead ends": float(dead.mean()),
                        "scored": float(scored.mean()),
                        "unscored": float(unscored.mean()),
                        "credit": chosen,
                    }
                )
    return rows


def one(log: Log, tree: Tree, strategy: Search, scorer: Scorer) -> list[list[float]]:
    """By game, of one search: whether the choice is right, whether any is, states expanded, dead
    ends, texts scored, and texts that the scorer could not score."""
    results, generator = search(log, tree, strategy, scorer)
    found = []
    for result in results:
        dead = generator.missing[result.group.prompt.text]
        unscored = sum(isinstance(node.score, Unscored) for node in result.nodes)
        states = generator.asked[result.group.prompt.text] - dead
        found.append([*map(float, solved(result, tree)), states, dead, len(result.nodes), unscored])
    return np.transpose(found).tolist()  # type: ignore[no-any-return]


def differences(rows: Rows) -> Rows:
    """Paired by game: a wider search over a narrower one, and a better scorer over a worse one."""
    credit = {(row["tree"], row["scorer"], row["strategy"]): row["credit"] for row in rows}
    pairs = [
        ((tree, judge, more), (tree, judge, less))
        for tree, judge in dict.fromkeys(key[:2] for key in credit)
        for ladder in LADDERS
        for less, more in itertools.pairwise(ladder)
    ]
    pairs += [
        ((tree, better, name), (tree, worse, name))
        for tree, name in dict.fromkeys((key[0], key[2]) for key in credit)
        for worse, better in [
            *itertools.pairwise(RANKS),
            ("GPT-4's value", "GPT-4's value, steps checked"),
        ]
    ]
    return [
        {
            "of": more,
            "over": less,
            **dataclasses.asdict(paired_bootstrap(credit[more], credit[less])),
        }
        for more, less in pairs
        if more in credit and less in credit
    ]


def estimate(values: Sequence[float]) -> dict[str, Any]:
    """A proportion over games, as JSON."""
    return dataclasses.asdict(proportion(values))


def tables(result: Mapping[str, Any]) -> str:
    """The numbers as markdown."""
    lines = [
        f"{part} | {name}: {brief(value)}"
        for part in ("log", "log_replayed", "baselines")
        for name, value in result[part].items()
    ]
    lines += [f"coverage | {share}: {rows}" for share, rows in result["coverage"].items()]
    lines += [
        f"AUROC | after {d}, {name}: {brief(v)}"
        for d, row in result["auroc"].items()
        for name, v in row.items()
    ]
    for tree in dict.fromkeys(row["tree"] for row in result["table"]):
        rows = {
            (row["scorer"], row["strategy"]): row for row in result["table"] if row["tree"] == tree
        }
        names = [*dict.fromkeys(strategy for _, strategy in rows)]
        for key in ("chosen", "any", "states", "dead ends", "unscored"):
            if not any(row[key] for row in rows.values()):
                continue
            lines += [
                "",
                f"| {tree}: {key} | {' | '.join(names)} |",
                "|---" * (len(names) + 1) + "|",
            ]
            for judge in dict.fromkeys(judge for judge, _ in rows):
                lines.append(
                    f"| {judge} | {' | '.join(brief(rows[judge, name][key]) for name in names)} |"
                )
    lines.append("")
    lines += [
        f"{tree} | {' | '.join(more)} over {' | '.join(less)}: {brief(row)}"
        for row in result["differences"]
        for (tree, *more), (_, *less) in [(row["of"], row["over"])]
        if more[1] != less[1] or more[1] in ("greedy", "beam 5", "mcts, 32 states")
    ]
    return "\n".join([*lines, f"{result['cpu_seconds']} CPU seconds"])


def brief(value: Any) -> str:
    """A number with its interval, or what there is."""
    if isinstance(value, Mapping) and "high" in value and "value" in value:
        more = f", {value['in training']:.2f} in training" if "in training" in value else ""
        return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]{more}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    tyro.cli(Bench)()
