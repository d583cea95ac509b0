"""A temperature that was planted is found, kept beside the weights, and used by what reads them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from assay import cli
from assay.answerers.head import HeadAnswerer
from assay.answerers.local import LocalAnswerer
from assay.data import io
from assay.data.decisions import Decisions
from assay.data.records import as_groups
from assay.errors import ConfigError, DataError
from assay.judges.adapters import as_judge
from assay.models import checkpoint
from assay.models.calibration import CALIBRATION, read_calibration
from assay.models.layout import Layout
from assay.models.readout import OUTCOME, PREFERENCE, PROCESS, Readout
from assay.models.serving import serving
from assay.questions import Distribution, Question, tempered
from assay.scorers.local import LocalScorer
from assay.specs.answerers import answerer
from assay.specs.scorers import scorer as open_scorer
from assay.types import Group, Message, Preference, Prompt, Response, Score, StepLabels
from assay.workflows.calibrate import calibrate
from assay.workflows.evaluate import measure
from tests.answerers.test_local import sharp, words
from tests.models import tiny

T = 2.0
PROMPTS = [Prompt.of(f"Say something about {i}.") for i in range(200)]
TEXTS = [f"{a} and {b}\n" for a, b in np.random.default_rng(0).integers(0, 100, size=(400, 2))]


def saved(readout: Readout, folder: Path, seed: int = 0) -> Path:
    """Save a tiny model whose logits have deviation 4, and mean 0 where they stand alone."""
    network, layout = tiny.network("llama", seed=seed), Layout(template="plain")
    model = checkpoint.wrap(network, tiny.tokenizer(), layout=layout, readout=PREFERENCE)
    asked = Group(prompt=PROMPTS[0], responses=tuple(map(Response.of, TEXTS[:50])))
    found = np.array([row[-1] for row in LocalScorer(model).logits([asked])[0]])  # type: ignore[index]
    with torch.no_grad():
        model.network.score.weight.mul_(4 / found.std())
    offset = -4 * float(found.mean() / found.std()) if readout.link == "sigmoid" else 0.0
    model.encoder.readout = readout.model_copy(update={"offset": offset})
    checkpoint.save(model, folder)
    return folder


def responses(steps: int = 1) -> list[StepLabels]:
    """Two responses to each prompt, without labels."""
    texts = [
        tuple(TEXTS[(11 * i + 3 * step) % len(TEXTS)] for step in range(steps)) for i in range(400)
    ]
    return [
        StepLabels(prompt=PROMPTS[i // 2], response=Response(steps=text), labels=(None,) * steps)
        for i, text in enumerate(texts)
    ]


def labelled(folder: Path, records: list[StepLabels]) -> list[StepLabels]:
    """Label the steps as sigmoid(logit / T) says."""
    rng, found = np.random.default_rng(1), LocalScorer(folder).logits(as_groups(records))
    return [
        record.model_copy(
            update={"labels": tuple((rng.random(len(row)) < expit(np.array(row) / T)) * 1.0)}  # type: ignore[arg-type]
        )
        for record, [row] in zip(records, found, strict=True)
    ]


def preferred(folder: Path) -> list[Preference]:
    """Pairs, preferred as sigmoid(difference / T) says."""
    each = responses()
    groups = [
        Group(prompt=a.prompt, responses=(a.response, b.response))
        for a, b in zip(each[::2], each[1::2], strict=True)
    ]
    rng, scores = np.random.default_rng(2), LocalScorer(folder).score(groups)
    return [
        Preference(
            prompt=group.prompt,
            responses=group.responses,
            prefer=float(rng.random() < expit((a.value - b.value) / T)),  # type: ignore[union-attr]
        )
        for group, (a, b) in zip(groups, scores, strict=True)
    ]


def values(scorer: object, records: list[StepLabels]) -> list[float]:
    return [row[0].value for row in scorer.score(as_groups(records))]  # type: ignore[attr-defined]


def test_outcomes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = saved(OUTCOME, tmp_path / "rm")
    records = labelled(folder, responses())
    raw = LocalScorer(folder)
    before, name = values(raw, records), raw.fingerprint
    fit = calibrate(folder, records).fits["step"]
    assert fit.temperature.low <= T <= fit.temperature.high
    assert (fit.rows, fit.temperature.n) == (400, 200)
    assert fit.gain["nll"].low > 0
    assert fit.after["ece"].value < fit.before["ece"].value

    warm, cold = LocalScorer(folder), open_scorer(f"{folder},calibration=none", "cpu")
    value = fit.temperature.value
    after = values(warm, records)
    assert after == pytest.approx(expit(logit(np.array(before)) / value))
    assert (np.argsort(after) == np.argsort(before)).all()
    assert values(cold, records) == before
    assert cold.fingerprint == name != warm.fingerprint  # type: ignore[attr-defined]
    turns = (*PROMPTS[0].messages, Message(role="assistant", content=records[0].response.text))
    [[answer]] = HeadAnswerer(warm).answer([Prompt(messages=turns)], [[Question.predicate("")]])
    assert isinstance(answer, Distribution)
    assert answer.probabilities[0] == pytest.approx(after[0])
    slope = measure(warm, records).metrics["calibration_slope"]
    assert slope.low <= 1 <= slope.high
    assert measure(cold, records).metrics["calibration_slope"].high < 0.8

    cli.main(["models", "show", str(folder)])
    assert f"step / {value:.4g}" in capsys.readouterr().out
    ours, *others = serving(folder)
    assert "calibrat" not in ours.note
    assert all("probabilities are not calibrated" in one.note for one in others)
    # What is saved elsewhere has no calibration, and the file is of no other weights.
    checkpoint.save(warm.model, tmp_path / "copy")
    assert values(LocalScorer(tmp_path / "copy"), records) == pytest.approx(before, abs=1e-6)
    saved(OUTCOME, tmp_path / "other", seed=1)
    shutil.copy(folder / CALIBRATION, tmp_path / "other")
    with pytest.raises(ConfigError, match="was fitted for other weights"):
        LocalScorer(tmp_path / "other")
    checkpoint.load(tmp_path / "other", calibrated=False)
    (folder / CALIBRATION).write_text('{"temperatures": {}}')
    with pytest.raises(ConfigError, match="malformed at model"):
        read_calibration(folder)


def test_pairs(tmp_path: Path) -> None:
    folder = saved(PREFERENCE, tmp_path / "rm")
    records = preferred(folder)
    raw = LocalScorer(folder)
    scores, name, judge = raw.score(as_groups(records)), raw.fingerprint, as_judge(raw)
    fit = calibrate(folder, records).fits["pair"]
    assert fit.temperature.low <= T <= fit.temperature.high
    warm = LocalScorer(folder)
    # Scores are the logits that they were: only what is made of a difference changes.
    assert warm.score(as_groups(records)) == scores
    assert warm.fingerprint == name
    assert as_judge(warm).fingerprint != judge.fingerprint
    [said] = as_judge(warm).compare(as_groups(records[:1]))
    [alone] = warm.score(as_groups(records[:1]))
    a, b = (one.value for one in alone if isinstance(one, Score))
    assert said.prefer == pytest.approx(expit((a - b) / fit.temperature.value))  # type: ignore[union-attr]
    assert as_judge(warm, scale=1.0).compare(as_groups(records[:1])) == judge.compare(
        as_groups(records[:1])
    )
    metrics = measure(warm, records).metrics
    assert metrics["calibration_slope"].value == pytest.approx(1, abs=1e-3)
    assert metrics["mean_margin"] == measure(raw, records).metrics["mean_margin"]
    with pytest.raises(ConfigError, match="give preferences"):
        calibrate(folder, responses())
    with pytest.raises(DataError, match="no temperature fits"):
        calibrate(folder, [r.model_copy(update={"prefer": 1 - r.prefer}) for r in records])


@pytest.mark.parametrize("how", ["value", "difference"])
def test_steps(how: str, tmp_path: Path) -> None:
    folder = saved(PROCESS.model_copy(update={"steps": how}), tmp_path / "rm")
    records = labelled(folder, responses(steps=2))
    fitted = calibrate(folder, records)
    found = fitted.fits["step"]
    assert found.rows == 800
    if how == "value":
        assert found.temperature.low <= T <= found.temperature.high
    scorer = LocalScorer(folder)
    [[score]], [[row]] = (f(as_groups(records[:1])) for f in (scorer.score, scorer.logits))
    added = np.diff(row, prepend=0.0) if how == "difference" else np.array(row)
    steps = expit(added / scorer.readout.temperature)
    assert score.steps == pytest.approx(steps)
    assert score.value == pytest.approx(steps.prod())
    outcomes = [r.model_copy(update={"labels": (None, 1.0)}) for r in records]
    assert "the order of responses may change" in str(fitted)
    with pytest.raises(ConfigError, match="give labels of steps"):
        calibrate(folder, outcomes)


def test_typed_questions_by_their_kind(tmp_path: Path) -> None:
    tokenizer = words(tiny.tokenizer())
    model = sharp(tiny.causal("llama", max_position_embeddings=2048))
    model.save_pretrained(tmp_path / "lm")
    tokenizer.save_pretrained(tmp_path / "lm")
    asked = (
        Question.predicate("Is it even?"),
        Question.choice("Which is it?", ["even", "odd", "neither"]),
    )
    word = f"{tmp_path / 'lm'},floor=0"
    raw = answerer(word)
    found = raw.answer(PROMPTS, [asked] * len(PROMPTS))
    rng, states = np.random.default_rng(3), []
    for prompt, answers in zip(PROMPTS, found, strict=True):
        gold = []
        for one in answers:
            assert isinstance(one, Distribution)
            p = np.array(tempered(one, T).probabilities)
            gold.append(Distribution(probabilities=tuple(rng.multinomial(1, p / p.sum()) * 1.0)))
        states.append(Decisions(prompt=prompt, questions=asked, gold=tuple(gold)))
    fits = calibrate(word, states).fits
    assert [*fits] == ["predicate", "choice"]
    for fit in fits.values():
        assert fit.temperature.low <= T <= fit.temperature.high
    warm, cold = answerer(word), answerer(f"{word},calibration=none")
    assert isinstance(warm, LocalAnswerer)
    assert cold.fingerprint == raw.fingerprint != warm.fingerprint  # type: ignore[attr-defined]
    [answers] = warm.answer(PROMPTS[:1], [asked])
    for one, old, fit in zip(answers, found[0], fits.values(), strict=True):
        assert isinstance(old, Distribution)
        assert isinstance(one, Distribution)
        expected = tempered(old, fit.temperature.value).probabilities
        assert one.probabilities == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ConfigError, match="leave out labels"):
        calibrate(f"{word},labels=words", states)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = saved(PREFERENCE, tmp_path / "rm")
    io.write(preferred(folder), tmp_path / "pairs.jsonl")
    cli.main(["models", "calibrate", str(folder), str(tmp_path / "pairs.jsonl")])
    said = capsys.readouterr().out
    assert "pair: temperature" in said
    assert "200 prompts" in said
    written = json.loads((folder / CALIBRATION).read_text())
    assert written["method"] == "temperature"
    pair = written["temperatures"]["pair"]
    assert pair["measured"]["temperature"]["value"] == pair["temperature"]
    assert {*pair["measured"]["before"]} == {*pair["measured"]["after"]} == {"nll", "brier", "ece"}
    with pytest.raises(ConfigError, match="no saved model's folder"):
        calibrate(tmp_path, [])


def test_tempered_by_hand() -> None:
    one = Distribution(probabilities=(0.64, 0.36, 0.0), mass=0.9)
    assert tempered(one, 2.0).probabilities == pytest.approx((0.8 / 1.4, 0.6 / 1.4, 0))
    assert tempered(one, 2.0).mass == 0.9
    assert tempered(one, 1.0) is one
