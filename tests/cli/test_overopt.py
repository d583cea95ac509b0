import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay import cli
from assay.data import io
from assay.overopt import read_points
from assay.overopt.study import read_studies
from assay.runs.settings import read_run
from assay.types import Prompt, Ranking, Response
from tests.report.test_html import NASTY, Document


def rows(
    prompts: int = 40,
    size: int = 64,
    gold: Callable[[float], float] = lambda z: z - 0.4 * z * z,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """A proxy z of normal quantiles, so that every pool is the same and gold turns where it is told
    to."""
    rng = np.random.default_rng(seed)
    made = []
    for p in range(prompts):
        z = rng.normal(size=size)
        made += [
            {"prompt": f"q{p}", "response": f"{p} {i}", "rm": float(x), "human": gold(x)}
            for i, x in enumerate(z)
        ]
    return made


def written(path: Path, made: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return path


COLUMNS = ("--proxy-column", "rm", "--gold-column", "human")


def swept(capsys: pytest.CaptureFixture[str], pool: Path, *arguments: str) -> str:
    cli.main(["overopt", "bon", str(pool), *(arguments or COLUMNS)])
    return capsys.readouterr().out


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pages, which take longest; points and fits are written."""
    monkeypatch.setattr("assay.runs.run.Run.page", lambda *_, **__: True)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        cli.main(["overopt", *arguments])
    assert stop.value.code == 2
    err = capsys.readouterr().err.strip()
    assert "\n" not in err
    return err


@pytest.mark.usefixtures("undrawn")
def test_a_pool_whose_peak_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Six prompts, eight responses, proxies 1..8; gold is that of the n-th highest rank, by
    hand."""
    gold = [0, 0, 0, 0, 0, 1, 1, 0]
    made = [
        {"prompt": p, "response": f"{p}{i}", "rm": i, "human": gold[i]}
        for p in range(6)
        for i in range(8)
    ]
    out = tmp_path / "out"
    shown = swept(
        capsys,
        written(tmp_path / "pool.jsonl", made),
        *COLUMNS,
        "--out",
        str(out),
        "--epsilon",
        "0.01",
    )
    points = {p.n: p for p in read_points(out / "points.jsonl")}
    assert [*points] == [1, 2, 3, 4, 6, 8]
    # Of the pairs among eight, the higher is rank 6 in 5 and rank 7 in 6 of 28.
    assert points[2].gold_mean.value == pytest.approx(11 / 28)
    assert points[4].gold_mean.value == pytest.approx(
        (math.comb(5, 3) + math.comb(6, 3)) / math.comb(8, 4)
    )
    assert points[8].gold_mean.value == pytest.approx(0)
    assert not points[2].trusted
    (study,) = read_studies(out / "fits.json", list(points.values()))
    assert study.stop is not None
    assert study.top is not None
    assert study.top.n == 3
    assert study.stop.n == 3
    assert "Choose the best of about n = 3" in shown
    assert "take it for a hint" in shown
    assert study.verdict in shown.replace("\n", " ")


def test_the_files_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    pool = written(tmp_path / "pool.jsonl", rows(60, 256))
    shown = swept(capsys, pool, *COLUMNS, "--out", str(out))
    assert "fit by the form of best-of-n: alpha" in shown
    assert "Beyond it human falls while rm keeps rising" in shown
    assert "60 prompts, 15,360 responses" in shown
    body = json.loads((out / "fits.json").read_text())
    (study,) = body["studies"]
    assert study["fits"]["best_of_n"]["peak_in_range"] is True
    assert study["verdict"].startswith("Choose the best of at most")
    page = (out / "report.html").read_text()
    document = Document(page)
    assert document.tags.count("svg") == 3
    from assay.cli.overopt import BestOfN

    saved = read_run(out, BestOfN)
    assert saved.gold_column == ("human",)
    (digest,) = json.loads((out / "run.json").read_text())["data"].values()
    assert len(digest) == 64


@pytest.mark.usefixtures("undrawn")
def test_rankings_hold_gold_in_their_grades_and_proxies_in_meta(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = []
    for p in range(6):
        # Pools that are all alike would say nothing for certain.
        order = [0, *range(2 + p % 3, 16), *range(1, 2 + p % 3)]
        metas = [{"rm": i, "other": -order.index(i)} for i in range(16)]
        responses = tuple(Response(steps=(f"{p} {i}",), meta=meta) for i, meta in enumerate(metas))
        records.append(
            Ranking(prompt=Prompt.of(f"q{p}"), responses=responses, grades=tuple(range(16)))
        )
    io.write(records, tmp_path / "pool.jsonl")
    out = tmp_path / "out"
    arguments = ("--proxy-column", "rm", "other", "--size", "rm=2", "other=1", "--out", str(out))
    shown = swept(capsys, tmp_path / "pool.jsonl", *arguments)
    points = {(p.proxy, p.n): p for p in read_points(out / "points.jsonl")}
    assert points["rm", 16].gold_mean.value == 15
    assert points["other", 16].gold_mean.value == 0
    assert points["rm", 1].gold == "gold"
    assert "Do not select by other" in shown
    assert "other and gold are surely opposed within prompts: correlation -0." in shown


@pytest.mark.usefixtures("undrawn")
def test_scorers_are_asked_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompts = [Prompt.of(f"what is {i} + {i}?", reference=str(2 * i)) for i in range(8)]
    groups = [
        {
            "type": "group",
            "prompt": p.model_dump(),
            "responses": [{"steps": [t]} for t in (p.reference, "7 apples", "")],
        }
        for p in prompts
    ]
    for group in groups:
        group["responses"][2] = {"steps": ["I do not know, it may be 9"]}
    pool = written(tmp_path / "pool.jsonl", groups)
    arguments = ("--proxy", "length=longest", "tests.cli.rewards:length", "--gold", "numeric")
    shown = swept(capsys, pool, *arguments, "--out", str(tmp_path / "out"))
    points = {(p.proxy, p.n): p for p in read_points(tmp_path / "out" / "points.jsonl")}
    assert points["length", 1].gold_mean.value == pytest.approx(1 / 3)
    assert points["length", 3].gold_mean.value == 0
    assert points["length", 3].dup_rate == 0
    assert points["length", 3].length == 26
    assert "length against numeric" in shown


def test_the_gaussian_world_and_several_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "g"
    with monkeypatch.context() as patch:
        patch.setattr("assay.runs.run.Run.page", lambda *_, **__: True)
        cli.main(["overopt", "bon", "--world", "gaussian", "--ensemble", "mean", "--out", str(out)])
    shown = capsys.readouterr().out
    assert "the truth for a tilted policy: alpha 1.414, beta 0.600" in shown
    assert "mean of 3 against gold" in shown
    assert "errors correlate" in shown
    studies = {
        s.proxy: s for s in read_studies(out / "fits.json", read_points(out / "points.jsonl"))
    }
    for study in studies.values():
        assert study.fits is not None
        assert study.fits.best_of_n.r2.value > 0.99
    alphas = [
        studies[name].fits.best_of_n.alpha.value for name in ("noise 0", "noise 0.5", "noise 1")
    ]  # type: ignore[union-attr]
    assert alphas == sorted(alphas, reverse=True)
    arguments = [
        "--size",
        "noise 0=400",
        "noise 0.5=20",
        "noise 1=1",
        "--out",
        str(tmp_path / "all"),
    ]
    cli.main(["overopt", "report", str(out), *arguments])
    shown = capsys.readouterr().out
    assert "alpha over size: Spearman 1.00" in shown
    again = {
        s.proxy: s
        for s in read_studies(
            tmp_path / "all" / "fits.json", read_points(tmp_path / "all" / "points.jsonl")
        )
    }
    assert repr(again) == repr(studies)
    assert "rank correlation with size" in (tmp_path / "all" / "report.html").read_text()


@pytest.mark.usefixtures("undrawn")
def test_equal_names_of_several_runs_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        pool = written(tmp_path / f"{name}.jsonl", rows(10, 16, seed=len(name)))
        swept(capsys, pool, *COLUMNS, "--out", str(tmp_path / name))
    cli.main(
        [
            "overopt",
            "report",
            str(tmp_path / "a"),
            str(tmp_path / "b"),
            "--size",
            "a/rm=1",
            "b/rm=2",
        ]
    )
    shown = capsys.readouterr().out
    assert "a/rm against human" in shown
    assert "b/rm against human" in shown
    assert "holds no fits.json" in refused(capsys, "report", str(tmp_path))
    (tmp_path / "a" / "fits.json").write_text('{"studies": [{"proxy": "rm"}]}')
    assert "does not hold the studies" in refused(capsys, "report", str(tmp_path / "a"))


@pytest.mark.usefixtures("undrawn")
def test_a_second_run_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool = written(tmp_path / "pool.jsonl", rows(10, 16))
    for name in ("one", "two"):
        swept(capsys, pool, *COLUMNS, "--out", str(tmp_path / name))
    for file in ("points.jsonl", "fits.json"):
        assert (tmp_path / "one" / file).read_text() == (tmp_path / "two" / file).read_text()


def test_words_of_a_pool_are_shown_and_not_interpreted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [
        {**row, f"{NASTY}[b]": row["rm"], "prompt": NASTY + row["prompt"]} for row in rows(6, 16)
    ]
    pool = written(tmp_path / "pool.jsonl", made)
    shown = swept(
        capsys,
        pool,
        "--proxy-column",
        f"{NASTY}[b]",
        "--gold-column",
        "human",
        "--out",
        str(tmp_path / "o"),
    )
    assert f"{NASTY}[b] against human" in shown
    page = (tmp_path / "o" / "report.html").read_text()
    assert "script" not in Document(page).tags
    assert "<script" not in page


# Bad input: a message, and what can still be said.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda made: made[3].update(human=None),
            "1 of 160 responses that 'rm' scored have no gold 'human'",
        ),
        (lambda made: [row.pop("human") for row in made], "no response has 'human'; there is rm"),
        (
            lambda made: made[5].update(rm="high"),
            "pool.jsonl:6: 'rm' is 'high'; it must be a number",
        ),
        (lambda made: made[5].update(prompt=None), "pool.jsonl:6: a row is"),
        (
            lambda made: [row.update(prompt=i) for i, row in enumerate(made)],
            "best-of-n needs several",
        ),
        (lambda made: made[0].update(rm=math.inf), "infinite"),
    ],
)
def test_what_cannot_be_swept_is_told(
    change: Callable[[Any], Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = rows(10, 16)
    change(made)
    assert message in refused(capsys, "bon", str(written(tmp_path / "pool.jsonl", made)), *COLUMNS)


def test_what_is_asked_for_wrongly_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = str(written(tmp_path / "pool.jsonl", rows(4, 16)))
    records = tmp_path / "groups.jsonl"
    io.write(
        [
            Ranking(
                prompt=Prompt.of("q"), responses=(Response.of("a"), Response.of("b")), grades=(1, 0)
            )
        ],
        records,
    )
    bare = tmp_path / "bare.jsonl"
    bare.write_text(
        '{"type": "group", "prompt": {"messages": []}, "responses": [{"steps": ["a"]}]}\n'
    )
    for arguments, message in (
        ((), "give a pool of responses, or --world gaussian"),
        ((pool,), "there is no proxy"),
        ((pool, "--proxy-column", "rm"), "there is no gold, without which"),
        ((pool, "--proxy-column", "rm", "--gold-column", "rm"), "rm is proxy and gold at once"),
        ((pool, "--world", "gaussian"), "leave the pool and scorers out"),
        ((pool, *COLUMNS, "--size", "rn=3"), "no proxy is called 'rn'; there is rm"),
        ((pool, *COLUMNS, "--size", "rm"), "give NAME=NUMBER"),
        ((pool, *COLUMNS, "--ensemble", "mean"), "an ensemble needs two proxies"),
        ((pool, *COLUMNS, "--epsilon", "-1"), "epsilon is -1"),
        ((str(bare), "--proxy", "longest"), "there is no gold"),
        (
            (str(records), "--proxy", "no/such"),
            "there is no folder no/such, and no model of that name was downloaded",
        ),
        ((str(tmp_path / "no.jsonl"), *COLUMNS), "does not exist"),
    ):
        assert message in refused(capsys, "bon", *arguments), arguments


def test_gold_may_be_left_out_and_nan_is_unscored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = rows(10, 16)
    made[3]["human"], made[4]["rm"] = None, math.nan
    shown = swept(
        capsys, written(tmp_path / "pool.jsonl", made), *COLUMNS, "--missing-gold", "leave_out"
    )
    assert "1 rows hold NaN, which is no JSON: such scores count as unscored" in shown
    assert "1 responses without gold 'human' were left out" in shown
    assert "proxy 'rm' could not score 1 responses" in shown
    assert "Choose" in shown


def test_constant_proxies_duplicates_and_short_pools_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [{**row, "flat": 1.0} for row in rows(10, 16)]
    for i, row in enumerate(made):
        row["response"], row["rm"] = f"essay {i // 4}", made[i - i % 4]["rm"]
    made.append({"prompt": "alone", "response": "a", "rm": 0.0, "flat": 1.0, "human": 0.0})
    pool = written(tmp_path / "pool.jsonl", made)
    out = tmp_path / "out"
    shown = swept(
        capsys, pool, "--proxy-column", "flat", "rm", "--gold-column", "human", "--out", str(out)
    )
    assert "flat scores all responses to a prompt alike, so it cannot choose" in shown
    assert "proxy 'flat' is constant within every prompt" in shown
    assert "75% of the responses repeat another one" in shown
    assert "responses repeat or tie, so KL" in shown
    assert "1 of 11 prompts have one response only" in shown
    assert "pools have 1 to 16 responses" in shown
    assert "it cannot choose among them" in (out / "report.html").read_text()
    (first, second) = read_studies(out / "fits.json", read_points(out / "points.jsonl"))
    assert first.constant
    assert first.fits is None
    assert second.fits is not None


def test_prompts_that_are_all_alike_say_nothing_for_certain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], undrawn: None
) -> None:
    one = rows(1, 64)
    made = [{**row, "prompt": f"q{p}"} for p in range(20) for row in one]
    shown = swept(capsys, written(tmp_path / "pool.jsonl", made))
    assert "surely" not in shown
    assert not [pair for pair in re.findall(r"\[([^],]+), ([^],]+)\]", shown) if pair[0] == pair[1]]
    # Nor that proxy and gold do not rise together, where no interval says so.
    assert "not seen to rise" not in shown


def test_one_prompt_has_no_intervals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = swept(
        capsys,
        written(tmp_path / "pool.jsonl", rows(1, 64)),
        *COLUMNS,
        "--out",
        str(tmp_path / "out"),
    )
    assert "Where to stop is not known" in shown
    assert "there is one prompt, so no interval can be given" in shown
    assert (tmp_path / "out" / "report.html").exists()


def test_a_run_of_rl_given_twice_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = tmp_path / "one"
    assert "is given twice" in refused(capsys, "rl", f"a={one}", f"a={one}/../one")


@pytest.mark.parametrize("kl", ["-1", "0", "nan", "inf"])
def test_a_kl_to_compare_at_is_a_number_above_nothing(
    capsys: pytest.CaptureFixture[str], kl: str
) -> None:
    assert "--kl is" in refused(capsys, "rl", "a=none", "--kl", kl)
