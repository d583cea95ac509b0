"""`assay judge`: planted judges whose numbers are known."""

import json
import time

import pytest

import assay
from assay import Preference, Prompt, Response, StepLabels
from assay.cli import main
from assay.data import io
from assay.errors import ConfigError, DataError
from assay.judges import pairwise
from assay.pages.judge import pair_examples
from assay.questions import Comparison, Game
from assay.types import Group, Ranking
from assay.workflows import _judging as judging
from tests.engines.fake_server import FakeServer, Reply
from tests.models import tiny
from tests.specs.answering import Likes

OWN = "tests.specs.answering:Likes"


def preference(number, first="good", second="bad", prefer=1.0):
    return Preference(
        prompt=Prompt.of(f"question {number}", id=f"q{number}"),
        responses=(Response.of(f"{first} {number}"), Response.of(f"{second} {number} and longer")),
        prefer=prefer,
    )


@pytest.fixture
def pairs(tmp_path):
    """Eight pairs: six that the judge gets right, one it gets wrong, one it is silent on."""
    records = [
        *(preference(i) for i in range(4)),
        *(preference(i, "bad", "good", prefer=0.0) for i in range(4, 6)),
        preference(6, prefer=0.0),
        preference(7, second="silent bad"),
    ]
    io.write(records, tmp_path / "pairs.jsonl")
    return tmp_path / "pairs.jsonl"


def rows(folder):
    return [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().splitlines()]


def test_pairs(pairs, capsys):
    out = pairs.parent / "out"
    main(["judge", "pairs", str(pairs), "--judge", f"pairwise:{OWN}", "--out", str(out)])
    said = capsys.readouterr().out
    assert "paid: nothing" in said
    found = json.loads((out / "judge.json").read_text())
    metrics = found["metrics"]
    assert metrics["accuracy"]["value"] == pytest.approx(6 / 7)
    assert metrics["accuracy"]["n"] == 7
    assert metrics["accuracy"]["unscored"] == 1
    assert metrics["accuracy_both_orders"]["value"] == pytest.approx(6 / 7)
    assert (metrics["flips"]["value"], metrics["consistent"]["value"]) == (0.0, 1.0)
    assert metrics["first_slot_share"]["value"] == pytest.approx(0.5)
    baselines = found["baselines"]
    assert baselines["accuracy/first"]["value"] == pytest.approx(4 / 7)
    assert baselines["accuracy/longer"]["value"] == pytest.approx(3 / 7)
    lines = rows(out)
    assert [line["id"] for line in lines] == [f"q{i}" for i in range(8)]
    assert lines[0]["prefer"] == pytest.approx(0.9)
    assert [game["swapped"] for game in lines[0]["games"]] == [False, True]
    assert lines[0]["games"][0]["critique"] == "Because it is good."
    silent = {"id": "q7", "prompt": "question 7", "pair": 7, "label": 1.0}
    assert lines[7] == {**silent, "unscored": "says nothing"}
    page = (out / "report.html").read_text()
    assert page.index("Where judge and label disagree") < page.index("All numbers")
    assert "Because it is good." in page


def test_a_judge_of_the_first_place_is_seen_through(pairs):
    found = assay.judge(pairs, f"pairwise:{OWN},sure=0.5,place=0.4")
    assert found.metrics["first_slot_share"].value == pytest.approx(0.9)
    assert found.metrics["flips"].value == 1.0
    assert found.metrics["accuracy_both_orders"].value == 0.0
    assert found.metrics["accuracy"].value == pytest.approx(0.5)


def test_what_was_said_is_not_asked_again(pairs, monkeypatch):
    out = pairs.parent / "out"
    first = assay.judge(pairs, f"pairwise:{OWN}", out=out, chunk=3)
    asked = []
    ask = pairwise.ask
    monkeypatch.setattr(pairwise, "ask", lambda a, s, q: [asked.extend(s), ask(a, s, q)][1])
    again = assay.judge(pairs, f"pairwise:{OWN}", out=out, chunk=3)
    # The silent one is asked again, in both orders.
    assert len(asked) == 2
    assert again.rows == first.rows
    assert again.metrics == first.metrics
    other = assay.judge(pairs, f"pairwise:{OWN},sure=0.7", out=out, overwrite=True)
    assert other.rows[0]["prefer"] == pytest.approx(0.7)


def test_points(tmp_path, capsys):
    pool = Ranking(
        prompt=Prompt.of("?"),
        responses=(Response.of("good"), Response.of("bad"), Response.of("silent")),
        grades=(1.0, 0.0, 0.0),
    )
    io.write([pool], tmp_path / "pool.jsonl")
    out = tmp_path / "out"
    word = f"pointwise:{OWN},levels=5,sure=1"
    main(["judge", "points", str(tmp_path / "pool.jsonl"), "--judge", word, "--out", str(out)])
    lines = rows(out)
    assert [line.get("value") for line in lines] == [5.0, 1.0, None]
    assert lines[2]["unscored"] == "says nothing"
    assert [line["label"] for line in lines] == [1.0, 0.0, 0.0]
    assert [line.get("critique") for line in lines] == ["So it is.", "So it is.", None]
    assert {(len(line["id"]), line["prompt"]) for line in lines} == {(12, "?")}
    assert (out / "report.html").read_text().count("So it is.") == 2
    assert "1 unscored: says nothing" in capsys.readouterr().out


def test_each_side_of_a_pair_has_its_label(tmp_path):
    found = assay.judge([preference(0, prefer=0.7)], f"pointwise:{OWN}", out=tmp_path / "out")
    assert [row["label"] for row in found.rows] == pytest.approx([0.7, 0.3])
    page = (tmp_path / "out" / "report.html").read_text()
    assert "label 0.7" in page
    assert "label 0.3" in page


def test_responses_without_labels_have_a_mean(tmp_path):
    group = Group(prompt=Prompt.of("?"), responses=(Response.of("good"), Response.of("bad")))
    found = assay.judge([group], f"pointwise:{OWN},levels=5,sure=1")
    assert found.metrics["mean_score"].value == 3.0


def test_steps(tmp_path):
    def solution(text, labels):
        steps = tuple(f"{text} {i}. " for i in range(len(labels)))
        return StepLabels(prompt=Prompt.of(text), response=Response(steps=steps), labels=labels)

    io.write([solution("good", (1, 1)), solution("bad", (0, 0))], tmp_path / "steps.jsonl")
    out = tmp_path / "out"
    word = f"steps:{OWN},asks=each"
    main(["judge", "steps", str(tmp_path / "steps.jsonl"), "--judge", word, "--out", str(out)])
    lines = rows(out)
    assert lines[0]["steps"] == pytest.approx([0.9, 0.81])
    assert lines[1]["steps"] == pytest.approx([0.1, 0.01])
    assert lines[0]["label"] == [1.0, 1.0]
    assert lines[0]["critique"] == "step 1, step 2: Because it is good."
    found = json.loads((out / "judge.json").read_text())["metrics"]
    # A step is right from one half on: scores of a critic are probabilities.
    assert found["step_accuracy"]["value"] == 1.0


def test_rubric(tmp_path):
    (tmp_path / "rubric.json").write_text(
        json.dumps([{"requirement": "is good", "weight": 3.0}, {"requirement": "is it"}])
    )
    group = Group(prompt=Prompt.of("?"), responses=(Response.of("good"), Response.of("bad")))
    io.write([group], tmp_path / "data.jsonl")
    out = tmp_path / "out"
    word = f"rubric:{tmp_path / 'rubric.json'}@{OWN},sure=1,abstain=no"
    main(["judge", "rubric", str(tmp_path / "data.jsonl"), "--judge", word, "--out", str(out)])
    lines = rows(out)
    assert [line["value"] for line in lines] == [1.0, 0.0]
    assert set(lines[0]["parts"].values()) == {1.0}
    page = (out / "report.html").read_text()
    assert "2 of 2 criteria; 0 never vary" in page
    assert "c1: is good<" in page
    assert lines[0]["critique"] == "c1, c2: Because it is good."
    assert "c1, c2: Because it is good." in page
    again = assay.judge(tmp_path / "data.jsonl", word, how="rubric", out=tmp_path / "again")
    assert (
        again.rows
        == assay.judge(tmp_path / "data.jsonl", word, how="rubric", out=tmp_path / "again").rows
    )


def test_decide(tmp_path):
    options = {"yes": "", "no": ""}
    question = {"type": "choice", "instructions": "Which?", "criteria": options}
    texts = ("good before bad", "bad before good", "silent")
    state = [
        {
            "id": str(i),
            "state": text,
            "questions": {"q": question},
            "answers": {"q": "yes"},
        }
        for i, text in enumerate(texts)
    ]
    path = tmp_path / "typed.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in state))
    out = tmp_path / "out"
    main(["judge", "decide", str(path), "--judge", OWN, "--out", str(out)])
    found = json.loads((out / "judge.json").read_text())["metrics"]
    assert found["accuracy"]["value"] == found["accuracy/choice"]["value"] == 0.5
    # As a benchmark it is the same.
    again = tmp_path / "again"
    main(["benchmark", "typed-decisions", str(path), "--judge", OWN, "--out", str(again)])
    assert json.loads((again / "judge.json").read_text())["metrics"] == found
    with pytest.raises(ConfigError, match=r"assay.judge\(data, judge=ANSWERER, how=.decide., out="):
        assay.benchmark("typed-decisions", "longest", data=path)
    lines = rows(out)
    assert lines[0]["probabilities"] == pytest.approx([0.9, 0.1])
    assert lines[0]["gold"] == [1.0, 0.0]
    assert lines[2]["unscored"] == "says nothing"


def test_a_server_is_paid_once(pairs, tmp_path, capsys):
    def script(asked):
        text = asked.text
        label = "A" if text.find("good") < text.find("bad") else "B"
        return Reply(choice={"text": f"I looked.\nVerdict: {label}"}, tokens=10)

    with FakeServer(script) as server:
        ledger = tmp_path / "ledger"
        arguments = [
            *("judge", "pairs", str(pairs), "--judge", f"pairwise:{server.url},model=m"),
            *("--ledger", str(ledger), "--prices", "1:100", "--repeats", "2"),
        ]
        main([*arguments, "--out", str(tmp_path / "a")])
        said = capsys.readouterr().out
        # 8 pairs, both orders, two texts each.
        assert "paid: 32 requests" in said
        assert "320 tokens written" in said
        assert len(server.asked) == 32
        main([*arguments, "--out", str(tmp_path / "b")])
        said = capsys.readouterr().out
        assert len(server.asked) == 32
    assert "paid: nothing" in said
    assert "saved by the ledger: 32 requests" in said
    assert "in the ledger: 32 requests" in said
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert rows(tmp_path / "a")[0]["games"][0]["critique"] == "I looked.\n\nI looked."


def test_a_ledger_that_the_word_names_is_on_the_bill(pairs, tmp_path):
    with FakeServer(lambda _: Reply(choice={"text": "Verdict: A"}, tokens=None)) as server:
        word = f"pairwise:{server.url},model=m,ledger={tmp_path / 'mine'}"
        first = assay.judge(str(pairs), word, prices="1:2")
        # The server counts no tokens: what they cost is not known, and no 0.
        assert first.bill["paid"].requests == first.bill["in the ledger"].requests == 16
        assert first.bill["paid"].money is None
        again = assay.judge(str(pairs), word)
        assert again.bill["paid"].requests == 0
        assert again.bill["saved by the ledger"].requests == 16
        assert len(server.asked) == 16


def test_the_bill_of_an_object_is_not_known(pairs):
    found = assay.judge(str(pairs), pairwise.Pairwise(Likes()))
    assert "not known" in found.bill["paid"]


def test_a_member_that_failed_is_asked_again(pairs, tmp_path):
    down = []

    def script(asked):
        if asked.body["model"] == "b" and "question 3" in asked.text and not down:
            return Reply(status=400, body={"error": {"message": "not now"}})
        return Reply(choice={"text": "Verdict: A"})

    with FakeServer(script) as server:
        word = "panel:" + "+".join(f"(pairwise:{server.url},model={name})" for name in "abc")
        settings = {"out": tmp_path / "out"}
        first = assay.judge(str(pairs), word, **settings)
        down.append("no more")
        asked = len(server.asked)
        second = assay.judge(str(pairs), word, **settings)
        assert len(server.asked) - asked == 2
    mute = [sum(bool(game.get("unscored")) for game in row["games"]) for row in first.rows]
    assert mute == [0, 0, 0, 1, 0, 0, 0, 0]
    assert not any(game.get("unscored") for row in second.rows for game in row["games"])


def test_refused(pairs, tmp_path):
    steps = StepLabels(
        prompt=Prompt.of("?"), response=Response(steps=("a", "b")), labels=(1.0, 0.0)
    )
    with pytest.raises(DataError, match="no pairs"):
        assay.judge([steps], f"pairwise:{OWN}")
    with pytest.raises(DataError, match="step labels"):
        assay.judge(pairs, f"pointwise:{OWN}", how="steps")
    with pytest.raises(ConfigError, match="compares two responses"):
        assay.judge(pairs, f"pairwise:{OWN}", how="points")
    with pytest.raises(ConfigError, match="has no criteria"):
        assay.judge(pairs, f"pointwise:{OWN}", how="rubric")
    with pytest.raises(DataError, match="no response to judge"):
        assay.judge([Prompt.of("?")], f"pairwise:{OWN}")
    silent = preference(1, "silent good")
    with pytest.raises(DataError, match=r"nothing of the data has a verdict; 1 unscored: says"):
        assay.judge([silent], f"pairwise:{OWN}")
    with pytest.raises(DataError, match=r"all rows are in .*verdicts\.jsonl"):
        assay.judge([silent], f"pairwise:{OWN}", out=tmp_path / "silent")
    assert [row["unscored"] for row in rows(tmp_path / "silent")] == ["says nothing"]
    with pytest.raises(SystemExit):
        main(["judge", "pairs", str(pairs), "--judge", "pairwise", "--out", str(tmp_path / "x")])


def test_steps_need_a_judge_of_steps():
    steps = StepLabels(
        prompt=Prompt.of("?"), response=Response(steps=("a", "b")), labels=(1.0, 0.0)
    )
    for word in (f"pointwise:{OWN}", f"rubric:{OWN}"):
        with pytest.raises(ConfigError, match="take steps:ANSWERER"):
            assay.judge([steps], word, how="steps")


def test_reasons_of_one_kind_are_told_once():
    reasons = ["mass 0.29; likeliest: 'A' 0.21, 'The' 0.11", "mass 0.3; likeliest: 'B' 0.3"]
    assert judging.alike(reasons) == [(reasons[0], 2)]
    assert len(judging.alike(["the model's name", "the model is away"])) == 2
    assert len(judging.alike(['no verdict in 1 text: "a"', 'no verdict in 1 text: "b c"'])) == 1


def test_the_json_has_the_bill_in_numbers(pairs, tmp_path):
    with FakeServer(lambda _: Reply(choice={"text": "Verdict: A"}, tokens=20)) as server:
        found = assay.judge(str(pairs), f"pairwise:{server.url},model=m", out=tmp_path / "run")
    paid = json.loads((tmp_path / "run" / "judge.json").read_text())["bill"]["paid"]
    assert paid["requests"] == 16
    assert paid["tokens_out"] == found.bill["paid"].tokens_out
    assert paid["money"] is None


def test_pipelines_may_fail_on_a_judge(pairs, tmp_path):
    arguments = ["judge", "pairs", str(pairs), "--judge", f"pairwise:{OWN}", "--out"]
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, str(tmp_path / "a"), "--fail-on", "accuracy<0.9"])
    assert stopped.value.code == 1


def test_examples_of_many_pairs_are_found_at_once_and_of_the_right_kind():
    won, lost = Game(first=1.0), Game(first=0.0)
    swapped = Game(first=0.0, swapped=True)
    panel = Comparison.of([won, lost, won, won.model_copy(update={"swapped": True})])
    kinds = [
        Comparison(prefer=0.0, games=(lost, swapped)),  # Against the label.
        Comparison(prefer=0.5, games=(won, swapped)),  # Its orders contradict each other.
        panel,  # Its members contradict each other in one order.
    ]
    pairs = [preference(i) for i in range(6000)]
    start = time.process_time()
    sections = pair_examples(pairs, kinds * 2000)
    assert time.process_time() - start < 5
    assert [section.title.split()[0] for section in sections] == ["Where", "Where", "Some"]
    assert all("of 2,000." in str(section.blocks[0]) for section in sections)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A tiny model whose tokens are bytes, beside the same one without a chat template."""
    folder = tmp_path_factory.mktemp("backbone")
    for name, template in (("chat", tiny.CHATML), ("plain", None)):
        tiny.causal().save_pretrained(folder / name)
        tiny.tokenizer(chat_template=template).save_pretrained(folder / name)
    return folder


def refused(capsys, *arguments):
    """The last line that a command says before it ends with an error."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(["judge", *map(str, arguments)])
    assert stopped.value.code == 2
    [*_, last] = capsys.readouterr().err.strip().splitlines()
    assert last.startswith("assay judge: ")
    return last


BAD_RUBRICS = {
    "no criterion has positive points": [{"id": "a", "text": "is rude", "points": -1}],
    "criteria are named twice: a": [{"id": "a", "text": "x"}, {"id": "a", "text": "y"}],
}


@pytest.mark.parametrize("says", BAD_RUBRICS)
def test_a_rubric_that_cannot_score_is_one_clear_line(pairs, tmp_path, capsys, says):
    path = tmp_path / "rubric.json"
    path.write_text(json.dumps({"criteria": BAD_RUBRICS[says]}))
    rubric = f"rubric:{path}@{OWN}"
    said = refused(capsys, "rubric", pairs, "--judge", rubric, "--out", tmp_path / "out")
    assert says in said
    assert str(path) in said


BROKEN = {
    "none": "gave None; answer(states, questions) must give a list with a list for each state",
    "number": "gave 5; answer(states, questions) must",
    "few": "gave 15 lists for 16 states; ",
    "row": "gave 5 for state 1; ",
    "long": "gave 2 answers to 1 question of state 1; ",
    "floats": "gave 0.5 to question 'a' of state 1; ",
    "bare": "gave (0.5, 0.5) to question 'a' of state 1; ",
    "options": "gave 1 probabilities for 2 options of question 'a' of state 1; it must give one",
    "sum": "failed: ValidationError: ",
    "raises": "failed: KeyError: 'verdict' (",
}


@pytest.mark.parametrize("how", BROKEN)
def test_an_answerer_in_a_wrong_shape_is_one_line_that_names_it(pairs, tmp_path, capsys, how):
    path = tmp_path / "rubric.json"
    path.write_text(json.dumps({"criteria": [{"id": "a", "text": "is good"}]}))
    rubric = f"rubric:{path}@tests.specs.answering:Broken,how={how},abstain=no"
    said = refused(capsys, "rubric", pairs, "--judge", rubric, "--out", tmp_path / "out")
    assert f"tests.specs.answering:Broken {BROKEN[how]}" in said


def test_a_function_is_a_judge_of_points(pairs, tmp_path, capsys):
    found = assay.judge(pairs, "tests.specs.answering:good", how="pairs")
    assert found.rows[0]["prefer"] == 1.0
    points = assay.judge(pairs, "tests.specs.answering:good")
    assert {row["value"] for row in points.rows} == {0.0, 1.0}
    for what, says in (("points", "short gave 1 scores for "), ("rubric", "take rubric:FILE@")):
        word = "tests.specs.answering:short"
        assert says in refused(capsys, what, pairs, "--judge", word, "--out", tmp_path / what)


def test_a_judge_of_ones_own_that_compares_wrongly_is_one_line(pairs, tmp_path, capsys):
    word = "tests.specs.answering:Miscompares"
    said = refused(capsys, "pairs", pairs, "--judge", word, "--out", tmp_path / "out")
    assert f"{word} gave 0.5; compare(pairs) must give" in said


def test_a_misspelled_metric_says_which_is_meant(pairs, tmp_path, capsys):
    word = f"pairwise:{OWN}"
    given = ("--judge", word, "--out", tmp_path / "out", "--fail-on", "acuracy<0.7")
    said = refused(capsys, "pairs", pairs, *given)
    assert "nothing is called 'acuracy' (did you mean accuracy" in said


def test_a_model_whose_labels_are_several_tokens_is_one_clear_line(
    pairs, tmp_path, capsys, backbone
):
    path = tmp_path / "rubric.json"
    path.write_text(json.dumps([{"criterion": "is good", "points": 1}]))
    rubric = f"rubric:{path}@{backbone / 'chat'},abstain=no"
    said = refused(capsys, "rubric", pairs, "--judge", rubric, "--out", tmp_path / "out")
    assert "'yes'" in said
    assert "token" in said
    assert "reads=text" in said


def test_a_model_without_a_chat_template_is_one_clear_line(pairs, tmp_path, capsys, backbone):
    word = f"pairwise:{backbone / 'plain'}"
    said = refused(capsys, "pairs", pairs, "--judge", word, "--out", tmp_path / "out")
    assert "no chat template" in said


def test_a_judge_that_answers_outside_the_set_is_one_clear_line(pairs, tmp_path, capsys):
    with FakeServer(lambda _: Reply(choice={"text": "Verdict: both"})) as server:
        word = f"pairwise:{server.url},model=m"
        said = refused(capsys, "pairs", pairs, "--judge", word, "--out", tmp_path / "out")
    assert "has a verdict; 8 unscored: no verdict in 1 text" in said
    assert '"Verdict: both" (asked for A, B or C)' in said
    assert len(rows(tmp_path / "out")) == 8
