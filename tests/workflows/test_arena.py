"""The arena as a job: killed and resumed, players of every kind, and what is refused."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import assay
from assay.arena.votes import votes
from assay.cli import main
from assay.data import io
from assay.errors import ConfigError, DataError
from assay.questions import Comparison, Game
from assay.types import Group, Prompt, Ranking, Response, Unscored
from assay.workflows.arena import arena_compare, arena_next, arena_rate


def answers(text: str, prompts: int = 12) -> list[Group]:
    """To prompt i, the text i times or so, so that lengths differ by player and prompt."""
    return [
        Group(
            prompt=Prompt.of(f"{i}?", reference=str(i)),
            responses=(Response.of(f"{text * (1 + (i * len(text)) % 5)} is {i}"),),
        )
        for i in range(prompts)
    ]


PLAYERS = {name: answers(name) for name in ("a", "bb", "ccc", "dddd")}


class Judge:
    """Prefers the longer, but every third time the one shown first; dies after some pairs."""

    fingerprint = "judge of the test"

    def __init__(self, dies_after: int = 10**9) -> None:
        self.asked: list[str] = []
        self.left = dies_after

    def compare(self, pairs: Sequence[Group]) -> list[Comparison | Unscored]:
        return [self.one(pair) for pair in pairs]

    def one(self, pair: Group) -> Comparison | Unscored:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        a, b = (response.text for response in pair.responses)
        self.asked.append(a + b)
        kind = (len(a) * 7 + len(b) * 3) % 6
        if kind == 5:
            return Comparison.of([Game(first=1.0), Game(swapped=True, first=0.0)])
        better = float(len(a) > len(b)) if kind else float(len(a) < len(b))
        return Comparison.of([Game(first=better), Game(swapped=True, first=better)])


def test_a_killed_arena_asks_only_for_the_rest(tmp_path: Path) -> None:
    whole, dying, rest = Judge(), Judge(23), Judge()
    given = {"budget": 48, "chunk": 4, "seed": 3}
    expected = assay.arena(PLAYERS, judges={"j": whole}, out=tmp_path / "whole", **given)
    with pytest.raises(KeyboardInterrupt):
        assay.arena(PLAYERS, judges={"j": dying}, out=tmp_path / "run", **given)
    found = assay.arena(PLAYERS, judges={"j": rest}, out=tmp_path / "run", **given)
    assert found.to_json() == expected.to_json()
    # A chunk that was under way is lost, and nothing else.
    assert len(rest.asked) == len(whole.asked) - 20
    for name in ("votes.jsonl", "arena.json", "leaderboard.csv"):
        assert (tmp_path / "run" / name).read_text() == (tmp_path / "whole" / name).read_text()


def table_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_page_and_the_tables_are_written(tmp_path: Path) -> None:
    result = assay.arena(
        PLAYERS, judges=["longest", "first=shortest"], gold="random", out=tmp_path, budget=60,
        baseline="a", until="order",
    )  # fmt: skip
    page = (tmp_path / "report.html").read_text()
    for title in ("In short", "Whose order is right?", "Table by first", "Can you trust this?"):
        assert title in page
    assert page.count('class="number shade s') >= 12
    rows = table_of(tmp_path / "leaderboard.csv")
    assert {row["judge"] for row in rows} == {"longest", "first", "random"}
    body = json.loads((tmp_path / "arena.json").read_text())
    assert body["reference"] == "random"
    assert {"tau/longest", "agreement/first, random", "ties/random"} <= result.metrics.keys()
    hard = table_of(tmp_path / "arena_hard.csv")
    assert [row["score"] for row in hard if row["model"] == "a"] == ["50.0"]
    again = arena_rate(tmp_path, by_judge=True)
    for name, each in again.standings.items():
        before = {x.player: x.rating.value for x in result.standings[name].ratings.lines}
        assert {x.player: x.rating.value for x in each.ratings.lines} == pytest.approx(before)


def test_rows_of_alpaca_eval_are_counted_by_prompt() -> None:
    from assay.arena.boards import alpaca_eval
    from assay.arena.votes import votes

    cast = votes(
        ["m", "base", "m", "base", "m"], ["base", "m", "base", "m", "base"], [0, 0, 0, 2, 1],
        cluster=[1, 1, 2, 2, 3],
    )  # fmt: skip
    [row], said = alpaca_eval(cast, "base")
    assert row["length_controlled_winrate"] is None
    assert not said
    # Prompt 1 has a win and a loss, 2 a win and a tie, 3 a loss.
    assert row["win_rate"] == pytest.approx(100 * (0.5 + 0.75 + 0) / 3)
    assert (row["n_wins"], row["n_wins_base"], row["n_draws"], row["n_total"]) == (1, 1, 1, 3)
    assert row["standard_error"] == pytest.approx(100 * 0.381881 / 3**0.5, rel=1e-4)


def test_rows_of_alpaca_eval_are_controlled_for_length() -> None:
    """Whoever writes more wins mostly, and the player writes more: at equal lengths it loses."""
    from assay.arena.boards import alpaca_eval
    from assay.arena.protocols.alpaca_eval import length_controlled
    from assay.arena.votes import votes

    delta = [(-1) ** (i % 4 == 0) * (100 + 40 * i) for i in range(40)]
    won = [(d > 0 and i % 5 > 0) or i % 11 == 0 for i, d in enumerate(delta)]
    sides = [[("m", "base"), ("base", "m")][i % 2] for i in range(40)]
    cast = votes(
        [a for a, _ in sides],
        [b for _, b in sides],
        [int(x == (a == "base")) for (a, _), x in zip(sides, won, strict=True)],
        cluster=list(range(40)),
        measures={"length": [[3000 + d, 3000][:: 1 if a == "m" else -1]
                             for (a, _), d in zip(sides, delta, strict=True)]},
    )  # fmt: skip
    [row], said = alpaca_eval(cast, "base")
    assert row["win_rate"] == 100 * sum(won) / 40
    equal = length_controlled([float(x) for x in won], [-d for d in delta]).win_rate
    assert row["length_controlled_winrate"] == pytest.approx(equal.value)
    assert row["lc_low"] <= row["length_controlled_winrate"] < row["win_rate"]
    assert any("not AlpacaEval's published number" in x for x in said)


def test_checkpoints_of_a_run_play(tmp_path: Path) -> None:
    run = tmp_path / "rl"
    run.mkdir()
    rows = [
        {"step": step, "prompt": f"{i}?", "response": ["so ", f"{i + (i + step) % 3 % 2}"]}
        for step in range(0, 50, 10)
        for i in range(9)
    ]
    (run / "samples.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    data = tmp_path / "prompts.jsonl"
    io.write([Prompt.of(f"{i}?", reference=str(i)) for i in range(9)], data)
    found = assay.arena([f"rl={run}"], data, judges=["longest"], gold="numeric", checkpoints=3)
    assert found.standings["numeric"].votes.players == ("rl@0", "rl@20", "rl@40")
    right = [sum((i + step) % 3 % 2 == 0 for i in range(9)) for step in (0, 20, 40)]
    lines = found.standings["numeric"].ratings.lines
    assert len({line.share for line in lines}) == len(set(right))


def test_rewards_pick_from_a_pool_and_generators_write(tmp_path: Path) -> None:
    pool = [
        Group(prompt=Prompt.of(f"{i}?"), responses=tuple(map(Response.of, ("x", "yy", "zzz"))))
        for i in range(5)
    ]
    found = assay.arena(["pick:longest", "pick:shortest"], pool, judges=["longest"])
    table = found.standings["longest"]
    assert table.ratings is None
    assert "no votes go round" in table.refused
    assert table.shares[0, 1] == 1

    class Writer:
        fingerprint = "writer"
        asked = 0

        def generate(self, prefixes, sampling):
            Writer.asked += len(prefixes)
            return [[Response.of(f"{len(p.prompt.text)}yyyy")] for p in prefixes]

    for _ in range(2):
        found = assay.arena(
            {"w": Writer(), "f": PLAYERS["a"]}, pool[:4], judges=["longest"], out=tmp_path,
            overwrite=True,
        )  # fmt: skip
        assert found.standings["longest"].votes.players
    assert Writer.asked == 4


BAD = """first,second,outcome,weight,prompt,judge
A,B,model_a,1,p,j
A,B,model_a,1,p,j
A,B,model_b,1,q,j
B,C,tie,1,q,j
A,A,tie,1,r,j
A,B,perhaps,1,r,j
A,B,model_a,nan,r,j
D,A,model_a,1,r,j
D,B,model_a,1,s,j
X,Y,model_a,1,t,j
Y,X,model_a,1,t,j
"""


def test_each_fault_of_votes_has_its_sentence(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(BAD)
    said = str(arena_rate(path))
    for sentence in (
        "the players fall into 2 groups that cannot be compared, so there is no joint table:"
        " [A, B, C]; [X, Y]",
        "1 votes are left out, 9% of all: a player met itself",
        "1 votes are left out, 9% of all: the outcome is not known",
        "1 votes are left out, 9% of all: the weight is not a number above 0 (1e-100 to 1e100)",
        "1 votes repeat another one",
    ):
        assert sentence in said
    path.write_text("".join(line for line in BAD.splitlines(True) if "X" not in line))
    said = str(arena_rate(path, out=tmp_path / "out"))
    assert "Without a rating: D" in said
    assert "only wins: no finite rating" in said
    assert "only wins: no finite rating" in (tmp_path / "out" / "leaderboard.csv").read_text()
    assert "rest on 2 clusters" in said


def test_what_to_ask_next_and_whether_to_stop(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(BAD)
    with pytest.raises(DataError, match="fall into 2 groups"):
        arena_next(path)
    path.write_text("".join(line for line in BAD.splitlines(True) if "X" not in line))
    first = arena_next(path, count=2)
    assert first.decision is None
    assert "nothing is decided: 1 players have no finite rating: D" in str(first)
    rows = ["first,second,outcome,prompt"]
    rows += [f"a,b,{'model_a' if i % 10 else 'model_b'},{i}" for i in range(200)]
    rows += [f"b,c,{'model_a' if i % 2 else 'model_b'},{i}" for i in range(20)]
    path.write_text("\n".join(rows))
    asked = arena_next(path, count=3)
    assert not asked.decision.stop
    assert {asked.proposals[0].first, asked.proposals[0].second} == {"b", "c"}
    # b and c won ten times each: no number of votes tells two equals apart.
    assert "go on: not told apart yet, at 98.4802 %:\n" in str(asked)
    assert "): no telling when" in str(asked)
    assert json.loads(json.dumps(asked.to_json()))["open"][0][3] is None
    path.write_text("\n".join([*rows[:201], *(f"b,c,{'model_a' if i % 10 else 'model_b'},{i}"
                                               for i in range(200))]))  # fmt: skip
    assert "stop: enough is known" in str(arena_next(path))


def test_arenas_are_compared_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, judge in (("one", "longest"), ("two", "shortest")):
        files = []
        for player, groups in PLAYERS.items():
            files.append(str(tmp_path / f"{player}.jsonl"))
            io.write(groups, Path(files[-1]))
        main(["arena", "run", *files, "--judge", judge, "--out", str(tmp_path / name)])
    capsys.readouterr()
    main(["arena", "compare", str(tmp_path / "one"), str(tmp_path / "two")])
    assert "one against two: tau -1.00" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["arena", "compare", str(tmp_path / "one"), str(tmp_path / "two"), "--fail-on",
              "tau/one<0"])  # fmt: skip
    out = str(tmp_path / "o")
    for words, line in (
        (["run", "x=nowhere", "y=nowhere2", "--judge", "longest", "--out", out], "nowhere"),
        (["run", str(tmp_path / "a.jsonl"), "--judge", "longest", "--out", out], "two players"),
        (["rate", str(tmp_path / "a.jsonl")], "no layout of votes"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["arena", *words])
        assert ended.value.code == 2
        assert line in capsys.readouterr().err
    assert arena_compare(tmp_path / "one", tmp_path / "one").orders["one"].tau.value == 1


def test_a_table_of_many_voters_is_compared_whole_and_its_columns_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "votes.csv"
    rows = [f"{a},{b},{'left' if i % 3 else 'right'},w{i % 5}" for i in range(30)
            for a, b in ("xy", "yz", "xz")]  # fmt: skip
    file.write_text("\n".join(["one,two,who,worker", *rows]))
    named = ["first=one", "second=two", "outcome=who"]
    for columns in ([",".join(named)], named):
        main(["arena", "rate", str(file), "--columns", *columns, "--out", str(tmp_path / "r"),
              "--overwrite"])  # fmt: skip
        assert "x" in capsys.readouterr().out
    assert arena_compare(tmp_path / "r", tmp_path / "r").orders["one"].tau.value == 1
    for words, said in (
        (["--seed", "-1"], "must be 0 or more"),
        (["--regularised", "nan"], "give"),
        (["--ridge", "-1"], "give"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["arena", "rate", str(tmp_path / "r"), *words])
        assert ended.value.code == 2
        assert said in capsys.readouterr().err


def test_votes_of_a_folder_are_those_of_its_tables(tmp_path: Path) -> None:
    people = votes(["a", "bb"] * 20, ["bb", "a"] * 20, [0, 0, 0, 1] * 10)
    assay.arena(PLAYERS, judges=["longest"], people=people, out=tmp_path / "run")
    again = arena_rate(tmp_path / "run", by_judge=True)
    assert {*again.standings} == {"longest", "people"}
    with pytest.raises(ConfigError, match="tables of longest, people"):
        # Before anybody is asked: nothing is kept.
        assay.arena(PLAYERS, judges={"j": Judge()}, people=tmp_path / "run", out=tmp_path / "other")
    assert not list((tmp_path / "other").glob("kept*"))


def test_a_baseline_that_never_loses_costs_one_file_and_not_the_rest(tmp_path: Path) -> None:
    wins = votes(["a", "b", "a"], ["b", "c", "c"], [0, 0, 0])
    found = arena_rate(wins, baseline="a", out=tmp_path / "run")
    assert "no arena_hard.csv: it needs one table" in str(found)
    assert {"alpaca_eval.csv", "report.html"} <= {x.name for x in (tmp_path / "run").iterdir()}
    with pytest.raises(ConfigError, match="'z' is no player"):
        arena_rate(wins, baseline="z", out=tmp_path / "other")
    assert not (tmp_path / "other" / "votes.jsonl").exists()


def test_markup_in_a_name_is_the_name() -> None:
    found = arena_rate(votes(["c[red]x", "b"] * 6, ["b", "c[red]x"] * 6, [0, 0, 1] * 4))
    assert "c[red]x" in str(found)


def test_people_are_the_reference_where_they_voted(tmp_path: Path) -> None:
    judged = assay.arena(PLAYERS, judges=["longest"], out=tmp_path / "run")
    found = assay.arena(PLAYERS, judges=["shortest"], people=tmp_path / "run")
    assert judged.reference is None
    assert found.reference == "people"
    assert found.orders["shortest"].tau.value == -1


def test_players_are_rankings_too() -> None:
    ranked = [
        Ranking(prompt=Prompt.of(f"{i}?"), responses=(Response.of("x" * (1 + i % 2)),), grades=(1,))
        for i in range(4)
    ]
    other = [Group(prompt=r.prompt, responses=(Response.of("yy"),)) for r in ranked]
    found = assay.arena({"r": ranked, "o": other}, judges=["longest"])
    assert found.standings["longest"].shares[1, 0] == pytest.approx(0.75)


def test_a_split_of_a_file_is_a_player(tmp_path: Path) -> None:
    rows = {
        split: [{"prompt": f"{split}?", "response": "x" * n}]
        for split, n in (("train", 1), ("test", 2))
    }
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    players = [f"{tmp_path}/a.json?split=test", f"other={tmp_path}/b.json?split=test"]
    found = assay.arena(players, judges=["longest"])
    assert set(found.standings["longest"].votes.players) == {"a", "other"}
