"""Gates: what a judge must show before it may score, and what closes one."""

import dataclasses
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from assay.audit.drift import drift
from assay.audit.gate import Gate, read_gate, refusals, write_gate
from assay.audit.gating import make
from assay.audit.human import Case, Label, read_labels
from assay.cli import main
from assay.data.rubrics.record import Criterion, Rubric
from assay.errors import ConfigError, DataError
from assay.judges.pairwise import Pairwise
from assay.judges.pointwise import PointProtocol, Pointwise
from assay.judges.rubric import RubricScorer
from assay.questions import Comparison, Question
from assay.stats import wilson
from assay.testing import FakeScorer
from assay.types import Group, Preference, Prompt, Response
from assay.workflows.gate import admitted, check_gate
from tests.engines.fake_server import FakeServer, Reply
from tests.specs.answering import Likes

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WORD = "pointwise:tests.specs.answering:Likes"
GOOD = "rubric:tests.specs.answering:Likes"


def cases(right: int, n: int, *, subset: str = "", criterion: str = "") -> list[Case]:
    """Responses that say good or bad, and labels that agree with the word so many times."""
    found = []
    for i in range(n):
        good = i % 2 == 0
        text = f"{'good' if good else 'bad'} {i}"
        group = Group(prompt=Prompt.of(f"question {i}"), responses=(Response.of(text),))
        vote = float(good if i < right else not good)
        found.append(Case(group, (Label((vote,), 0, criterion, subset),)))
    return found


def good(prompt: Prompt, response: Response) -> float:
    return float("good" in response.text)


class FakeFirst:
    """Prefers whatever stands first."""

    fingerprint = "first"

    def compare(self, pairs):
        return [Comparison(prefer=1.0) for _ in pairs]


def flipped(share: float, seed: int):
    """Says the word's verdict, or the other one for a share of the texts."""

    def rule(prompt: Prompt, response: Response) -> float:
        draw = np.random.default_rng([seed, *response.text.encode()]).random()
        return float(("good" in response.text) != (draw < share))

    return FakeScorer(rule)


JUDGE = FakeScorer(good)


def gate(right: int = 60, n: int = 60, judge=JUDGE, **settings) -> Gate:
    return make(judge, cases(right, n), now=NOW, **settings)


def test_the_least_of_50_that_passes_is_48():
    passes, fails = gate(48, 50), gate(47, 50)
    assert not passes.reasons
    assert "lower end of agreement" in fails.reasons[0]
    assert fails.slices[0].passes == {"lower": False, "point": True}
    assert not gate(47, 50, rule="point").reasons
    assert "point rule passes" in str(fails)
    assert "lower rule fails" in str(fails)


@pytest.mark.parametrize(("truth", "point", "lower"), [(0.80, 0.19, 0.05), (0.75, 0.045, 0.05)])
def test_how_often_a_poor_judge_passes(truth, point, lower):
    """Of 50 labels, exactly: the floor of .85 on the value is passed by one in five of .80."""
    rates = binom.pmf(np.arange(51), 50, truth)
    assert sum(rates[k] for k in range(51) if k / 50 >= 0.85) == pytest.approx(point, abs=0.005)
    assert sum(rates[k] for k in range(51) if wilson(k, 50).low >= 0.85) <= lower


def test_numbers_by_hand():
    found = gate(43, 50).slices[0]
    # Of the seven wrong, those of odd places say bad where people say yes.
    assert found.table == {"yes/yes": 22, "no/no": 21, "no/yes": 3, "yes/no": 4}
    assert found["agreement"].low == pytest.approx(0.738, abs=5e-4)
    assert found["sensitivity"].value == pytest.approx(22 / 26)
    assert found["specificity"].value == pytest.approx(21 / 24)
    assert found["kappa"].value == pytest.approx(0.72, abs=0.001)
    assert found["constant"].value == pytest.approx(26 / 50)


def test_no_verdict_is_no_agreement():
    silent = FakeScorer(lambda p, r: None if r.text.endswith("0") else good(p, r))
    found = gate(50, 50, silent).slices[0]
    assert found["abstention"].value == pytest.approx(0.1)
    assert found["agreement"].value == pytest.approx(0.9)
    assert found["decided"].value == 1
    assert gate(50, 50, silent).reasons


def test_every_criterion_and_subset_must_pass():
    easy = cases(100, 100, subset="easy")
    hard = cases(24, 30, subset="hard")
    hard = [dataclasses.replace(one, group=one.group.model_copy(
        update={"prompt": Prompt.of(f"hard {i}")})) for i, one in enumerate(hard)]  # fmt: skip
    found = make(JUDGE, [*easy, *hard], now=NOW)
    assert found.slices[0].passes["lower"]
    assert [reason.partition(":")[0] for reason in found.reasons] == ["subset hard"]


def test_labels_by_a_model_or_seen_verdicts_keep_it_closed():
    assert "a model's" in gate(by="ai").reasons[0]
    assert "saw" in gate(blind="no").reasons[0]
    assert not gate(blind="yes").reasons


def test_a_constant_verdict_does_not_pass_where_nearly_all_is_right():
    some = [
        dataclasses.replace(one, labels=(Label((float(i % 25 > 0),)),))
        for i, one in enumerate(cases(400, 400))
    ]
    found = make(FakeScorer(lambda p, r: 1.0), some, now=NOW)
    assert found.slices[0].passes["lower"]
    assert "constant verdict" in found.reasons[0]
    all_yes = [dataclasses.replace(one, labels=(Label((1.0,)),)) for one in some]
    assert make(FakeScorer(lambda p, r: 1.0), all_yes, now=NOW).reasons


def test_human_ceiling():
    votes = [(1.0, 1.0)] * 81 + [(1.0, 0.0)] * 19
    some = [
        dataclasses.replace(one, labels=(Label(vote),))
        for one, vote in zip(cases(100, 100), votes, strict=True)
    ]
    found = make(JUDGE, some, now=NOW)
    assert found.slices[0]["human_agreement"].value == pytest.approx(0.81)
    assert found.slices[0]["human_ceiling"].value == pytest.approx(0.8937, abs=5e-5)
    assert found.slices[0].split == 19


def test_a_rating_needs_a_threshold():
    rates = FakeScorer(lambda p, r: 3 + 5 * good(p, r))
    with pytest.raises(ConfigError, match="between 3 and 8"):
        gate(60, 60, rates)
    assert not gate(60, 60, rates, threshold=6).reasons


def test_pairs_and_ties():
    pairs = [
        Preference(
            prompt=Prompt.of(f"question {i}"),
            responses=(Response.of(f"good {i}"), Response.of(f"bad {i}")),
            prefer=1.0,
        )
        for i in range(30)
    ]
    read = read_labels(pairs)
    # The other way round, they are the same items of another rater.
    twice = read_labels([*pairs, *(pair.swap() for pair in pairs)])
    assert [len(case.labels[0].votes) for case in twice] == [2] * 30
    assert all(case.labels[0].human is not None for case in twice)
    for judge in (Pairwise(Likes()), JUDGE):
        found = make(judge, read, now=NOW)
        assert found.judge.kind == "pairs"
        assert not found.reasons
        assert found.slices[0]["kappa"].value == 1
    first = FakeFirst()
    one_sided = make(first, read, now=NOW)
    assert one_sided.slices[0]["constant"].value < 0.75
    assert one_sided.reasons
    tied = make(FakeScorer(lambda p, r: 1.0), [*read], now=NOW)
    assert tied.slices[0]["abstention"].value == 1
    with pytest.raises(ConfigError, match="compares two responses"):
        make(Pairwise(Likes()), cases(30, 30), now=NOW)


# --- the file


def test_it_is_read_as_it_was_written(tmp_path):
    made = gate(58, 60)
    write_gate(made, tmp_path / "gate.json")
    assert read_gate(tmp_path / "gate.json") == made


def changed(body: dict, place: str, value: object) -> dict:
    *parts, last = place.split(".")
    inside = body
    for part in parts:
        inside = inside[part]
    inside[last] = value
    return body


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("floor", 0.5),
        ("reasons", []),
        ("expires", "2099-01-01T00:00:00Z"),
        ("judge.fingerprint", "0" * 32),
        ("anchors", []),
        ("floor", "0.85"),
        ("schema", "assay/gate/v2"),
        ("more", 1),
        ("sha256", "0" * 64),
        ("sha256", None),
    ],
)
def test_an_edited_file_is_refused(tmp_path, place, value):
    path = tmp_path / "gate.json"
    write_gate(gate(40, 60), path)
    path.write_text(json.dumps(changed(json.loads(path.read_text()), place, value)))
    with pytest.raises(DataError, match="make it anew"):
        read_gate(path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "[" * 100_000, '{"a":' * 100_000, '{"floor": NaN}', "\x00", "\udcff"],
)
def test_a_hostile_file_is_refused(tmp_path, text):
    path = tmp_path / "gate.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match="is no gate"):
        read_gate(path)


def test_a_cut_or_a_huge_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "gate.json"
    write_gate(gate(), path)
    whole = path.read_text()
    for share in (0.1, 0.5, 0.99):
        path.write_text(whole[: int(len(whole) * share)])
        with pytest.raises(DataError, match="is no gate"):
            read_gate(path)
    for bad in ("NaN", "1e999", "-Infinity"):
        path.write_text(whole.replace('"alpha": 0.01', f'"alpha": {bad}'))
        with pytest.raises(DataError, match="make it anew"):
            read_gate(path)
    path.write_text(whole)
    monkeypatch.setattr("assay.audit.gate.LARGEST", 1000)
    with pytest.raises(DataError, match="longer than"):
        read_gate(path)
    with pytest.raises(ConfigError, match="there is no gate"):
        read_gate(tmp_path / "none.json")


# --- the judge


def rubric(text: str = "It is well.") -> Rubric:
    return Rubric(criteria=(Criterion(id="good", text=text, points=1),))


def asked(**changes) -> PointProtocol:
    return PointProtocol(question=Question.predicate("Is it good?"), **changes)


def test_any_change_of_the_judge_closes_it(tmp_path):
    prompt = tmp_path / "mine.txt"
    prompt.write_text("{question}\n{fence}\n{response}\n{fence}\nIs it good?")
    judge = Pointwise(Likes(), protocol=asked())
    made = make(judge, cases(60, 60), now=NOW)
    assert not refusals(made, Pointwise(Likes(), protocol=asked()), now=NOW)
    other = Pointwise(Likes(), prompt, protocol=asked())
    assert "prompt" in refusals(made, other, now=NOW)[0]
    assert "answerer" in refusals(made, Pointwise(Likes(sure=0.8), protocol=asked()), now=NOW)[0]
    assert "bound to" in refusals(made, JUDGE, now=NOW)[0]


def test_another_rubric_closes_it():
    judge = RubricScorer(Likes(), rubric(), abstain=False)
    made = make(judge, cases(60, 60, criterion="good"), now=NOW)
    assert [one.name for one in made.slices] == ["overall", "criterion good"]
    assert not refusals(made, RubricScorer(Likes(), rubric(), abstain=False), now=NOW)
    other = RubricScorer(Likes(), rubric("It is very well."), abstain=False)
    assert "differs in rubric" in refusals(made, other, now=NOW)[0]
    stricter = RubricScorer(Likes(), rubric(), abstain=False, least=0.9)
    assert "differs in least" in refusals(made, stricter, now=NOW)[0]
    with pytest.raises(DataError, match="no criterion 'short'"):
        make(judge, cases(60, 60, criterion="short"), now=NOW)


def test_another_parser_closes_it(monkeypatch):
    judge = Pointwise(Likes(), protocol=asked())
    made = make(judge, cases(60, 60), now=NOW)
    monkeypatch.setattr(
        "assay.fingerprint.revision_of", lambda name: f"another of {name}", raising=True
    )
    assert "code" in refusals(made, Pointwise(Likes(), protocol=asked()), now=NOW)[0]


def test_closed_expired_and_of_tomorrow():
    assert "is below the floor" in refusals(gate(40, 60), JUDGE, now=NOW)[0]
    assert refusals(gate(), JUDGE, now=NOW + timedelta(days=89)) == []
    assert "expired" in refusals(gate(), JUDGE, now=NOW + timedelta(days=90))[0]
    assert "yet to come" in refusals(gate(), JUDGE, now=NOW - timedelta(days=2))[0]


# --- drift


def as_judge_of(made: Gate, rule) -> tuple[str, ...]:
    return drift(made, FakeScorer(rule) if callable(rule) else rule).reasons


def test_the_same_judge_does_not_drift():
    seen = drift(gate(55, 60), JUDGE)
    assert seen.reasons == ()
    assert (seen.n, seen.changed, seen.noise) == (40, 0, 0)


def test_a_worse_judge_drifts():
    made = gate()
    assert "agreement changed" in as_judge_of(made, flipped(0.4, 1))[0]
    assert as_judge_of(made, lambda p, r: None)
    assert any("scores moved" in one for one in as_judge_of(made, lambda p, r: good(p, r) * 0.9))


def test_another_judge_that_is_as_often_right_drifts():
    made = make(flipped(0.3, 2), cases(60, 60), floor=0.5, anchors=60, now=NOW)
    reasons = as_judge_of(made, flipped(0.3, 3))
    assert any("verdicts changed" in one for one in reasons)


def test_noise_alone_seldom_drifts():
    """Verdicts that flip at random, as often on the day itself as later."""
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noisy = FakeScorer(lambda p, r, rng=rng: float(("good" in r.text) != (rng.random() < 0.1)))
        found += bool(drift(make(noisy, cases(40, 40), now=NOW), noisy).reasons)
    assert found <= 3


# --- labels


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_of_raters_are_one_item(tmp_path):
    rows = [
        {"prompt": "q", "response": "r", "verdict": "yes", "rater": "ann"},
        {"prompt": "q", "response": "r", "verdict": False, "rater": "bob"},
        {"prompt": "q", "response": "r", "verdict": 1, "rater": "eve"},
        {"prompt": "q", "response": "s", "verdicts": [0, None], "criterion": "short"},
    ]
    (case,) = read_labels(write(tmp_path / "a.jsonl", rows))
    assert [one.text for one in case.group.responses] == ["r", "s"]
    assert case.labels[0].votes == (1.0, 0.0, 1.0)
    assert case.labels[0].human is True
    assert case.labels[1] == Label((0.0,), 1, "short")


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([{"verdict": "maybe"}], r"a\.jsonl:1.*verdict"),
        ([{"verdict": 1, "rater": "a"}, {"verdict": 1, "rater": "a"}], r":2.*twice"),
        ([{"verdict": 1, "probability": 0}], "probability"),
        ([{"verdict": 1, "probability": 0.5}, {"verdict": 1, "response": "s"}], "all"),
        ([{"verdict": 1}, {"verdict": 1, "responses": ["a"]}], "two responses"),
        ([{"verdict": 1}, {"verdict": "tie", "responses": ["a", "b"]}], "each kind"),
        ([{"verdict": 1}, {"verdict": 1, "subset": "x"}], "differ in subset"),
        ([{"verdict": 1}, {"response": "s"}], "verdict"),
    ],
)
def test_bad_rows_are_refused_with_their_place(tmp_path, rows, match):
    rows = [{"prompt": "q", **({} if "responses" in row else {"response": "r"}), **row}
            for row in rows]  # fmt: skip
    with pytest.raises(DataError, match=match):
        read_labels(write(tmp_path / "a.jsonl", rows))


def test_a_chosen_set_is_never_reported_as_it_is(tmp_path):
    """Half of the labelled items are disagreements, which were looked for: they are few of all."""
    rows = [
        {
            "prompt": f"q {i}",
            "response": "good" if i % 2 else "bad",
            "verdict": i % 2 if i < 60 else 1 - i % 2,
            "probability": 0.05 if i < 60 else 1.0,
        }
        for i in range(70)
    ]
    found = make(JUDGE, read_labels(write(tmp_path / "a.jsonl", rows)), now=NOW)
    assert found.slices[0]["agreement"].value == pytest.approx(1200 / 1210)
    assert found.labels.sampling.startswith("weighted")


# --- commands, and who asks for gates


@pytest.fixture
def labels(tmp_path):
    rows = [
        {"prompt": f"question {i}", "response": ("bad", "good")[i % 2], "verdict": i % 2}
        for i in range(40)
    ]
    return write(tmp_path / "labels.jsonl", rows)


def made_by(command: list[str]) -> int:
    try:
        main(["audit", *command])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_commands(labels, tmp_path, capsys):
    out, judge = str(tmp_path / "gate.json"), ["--judge", WORD, "--threshold", "5"]
    assert made_by(["gate", str(labels), *judge, "--out", out]) == 0
    assert "open (floor 0.85, lower rule" in capsys.readouterr().out
    log = tmp_path / "gate.checks.jsonl"
    assert made_by(["gate-check", out, "--judge", WORD]) == 0
    assert not log.exists()
    assert made_by(["gate-check", out, "--judge", WORD, "--update"]) == 0
    assert json.loads(log.read_text())["reasons"] == []
    assert made_by(["gate-check", out, "--judge", f"{WORD},sure=0.6"]) == 1
    assert "bound to" in capsys.readouterr().out
    assert made_by(["gate", str(labels), *judge, "--out", out, "--floor", "0.99"]) == 1
    assert read_gate(out).reasons


def test_gates_admit_their_judge_and_no_other(labels, tmp_path):
    from assay.judges.adapters import as_scorer
    from assay.scorers.lower_bound import LowerBound
    from assay.workflows.gate import gate as gate_of

    path = tmp_path / "gate.json"
    judge = Pointwise(Likes())
    assert admitted((), {"j": judge, "f": JUDGE}) == {"gates": {"j": "ungated"}}
    assert admitted((), {"f": JUDGE}) == {}
    gate_of(labels, judge, out=path, threshold=5)
    noted = admitted([path], {"j": LowerBound(judge), "f": JUDGE})["gates"]
    assert noted["j"].startswith(str(path))
    assert set(noted) == {"j"}
    with pytest.raises(ConfigError, match=r"k may not score.*differs in answerer"):
        admitted([path], {"j": judge, "k": Pointwise(Likes(sure=0.7))})
    with pytest.raises(ConfigError, match="p may not score"):
        admitted([path], {"p": as_scorer(Pairwise(Likes()), calls=1)})
    with pytest.raises(ConfigError, match="nothing here is that judge"):
        admitted([path], {"f": JUDGE})


def test_a_check_stands_for_a_week(labels, tmp_path, monkeypatch):
    from assay.workflows import gate as module

    path, judge = tmp_path / "gate.json", Pointwise(Likes())
    module.gate(labels, judge, out=path, threshold=5)
    asked = []
    monkeypatch.setattr(module, "drift", lambda *a: asked.append(1) or drift(*a))
    admitted([path], {"j": judge})
    admitted([path], {"j": judge})
    assert len(asked) == 1
    monkeypatch.setattr(module, "FRESH", timedelta(0))
    admitted([path], {"j": judge})
    assert len(asked) == 2
    monkeypatch.undo()
    seen = dataclasses.replace(drift(read_gate(path), judge), reasons=("it drifts",))
    module._append(path, read_gate(path), seen)
    with pytest.raises(ConfigError, match="has drifted: it drifts"):
        admitted([path], {"j": judge})


def test_searches_and_pools_take_gates(labels, tmp_path, monkeypatch, capsys):
    import assay
    from assay.workflows.gate import gate as gate_of

    path = tmp_path / "gate.json"
    gate_of(labels, WORD, out=path, threshold=5)
    pool = [
        {"prompt": f"q{i}", "responses": ["bad 1", "good 2"], "grades": [0, 1]} for i in range(4)
    ]
    pools = write(tmp_path / "pool.jsonl", pool)

    def noted(out):
        return json.loads((out / "run.json").read_text()).get("gates")

    search = {"replay": pools, "n": 2}
    for word, out in ((WORD, "a"), (f"{WORD},sure=0.7", "b")):
        assay.search("best-of-n", pools, scorer=word, out=tmp_path / out, **search)
        assert noted(tmp_path / out) == {word: "ungated"}
    assay.search("best-of-n", pools, scorer=WORD, gate=[path], out=tmp_path / "c", **search)
    assert noted(tmp_path / "c")[WORD].startswith(str(path))
    assert "Gates of the judges" in (tmp_path / "c" / "report.html").read_text()
    other = f"{WORD},sure=0.7"
    with pytest.raises(ConfigError, match="differs in answerer"):
        assay.search("best-of-n", pools, scorer=other, gate=[path], **search)
    with pytest.raises(ConfigError, match="differs in answerer"):
        assay.best_of_n(pools, scorer=other, gate=[path])
    with pytest.raises(ConfigError, match="differs in answerer"):
        assay.overoptimization(pools, proxy=other, gate=[path])
    with pytest.raises(ConfigError, match="nothing here is that judge"):
        assay.overoptimization(pools, proxy="longest", gate=[path])
    assert any("gate.json" in note for note in
               assay.overoptimization(pools, proxy=WORD, gate=[path]).notes)  # fmt: skip
    with pytest.raises(ConfigError, match="differs in answerer"):
        assay.rl(["q"], policy="none", reward=other, gate=[path], out=tmp_path / "rl")
    monkeypatch.setattr("assay.server.connections.listening", lambda host, port: None)
    with pytest.raises(SystemExit):
        main(["serve", other, "--gate", str(path), "--port", "0"])
    assert "differs in answerer" in capsys.readouterr().err


def test_a_server_that_serves_another_model_is_found_past_the_ledger(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    served = ["one-2025-01-01"]

    def answer(request):
        verdict = "10" if "apple" in request.text else "1"
        choice = {"message": {"role": "assistant", "content": f"Verdict: {verdict}"},
                  "finish_reason": "stop", "index": 0}  # fmt: skip
        return Reply(body={"model": served[0], "choices": [choice]})

    rows = [
        {"prompt": f"question {i}", "response": ("pear", "apple")[i % 2], "verdict": i % 2}
        for i in range(26)
    ]
    labels = write(tmp_path / "labels.jsonl", rows)
    with FakeServer(answer) as server:
        word = f"pointwise:{server.url},model=one,ledger={tmp_path / 'ledger.sqlite'}"
        from assay.workflows.gate import gate as gate_of

        made = gate_of(labels, word, out=tmp_path / "gate.json", threshold=5)
        assert made.judge.served == ("one-2025-01-01",)
        assert not made.reasons
        assert len(server.asked) == 52  # Every anchor twice, for the ledger does not answer.
        assert check_gate(tmp_path / "gate.json", word).reasons == ()
        assert len(server.asked) == 78
        served[0] = "one-2026-01-01"
        found = check_gate(tmp_path / "gate.json", word)
        assert "the model that answers is one-2026-01-01" in found.reasons[0]
        assert math.isfinite(found.drift.agreement.value)


def test_a_judge_of_ones_own_needs_a_gate_as_well(tmp_path):
    path = tmp_path / "gate.json"
    write_gate(make(JUDGE, cases(60, 60)), path)
    assert admitted([], {"own": FakeFirst()}) == {"gates": {"own": "ungated"}}
    with pytest.raises(ConfigError, match="own may not score by"):
        admitted([path], {"bound": JUDGE, "own": FakeFirst()})


def test_a_rater_may_be_named_by_anything(tmp_path):
    row = {"prompt": "q", "response": "a", "verdict": "yes", "rater": ["x", 1]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    (case,) = read_labels(tmp_path / "a.jsonl")
    assert case.labels[0].votes == (1.0,)
    (tmp_path / "b.jsonl").write_text((json.dumps(row) + "\n") * 2)
    with pytest.raises(DataError, match="labels one item twice"):
        read_labels(tmp_path / "b.jsonl")
