"""Report cards of rewards, from the command's function to the files of a run."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import jsonschema
import pytest

import assay
from assay.answerers.ledger import Ledger
from assay.audit.card import Card
from assay.audit.exports import markdown, sarif
from assay.audit.paired import compared
from assay.data import io
from assay.errors import ConfigError, DataError
from assay.protocols import Judge
from assay.questions import Comparison
from assay.scorers.function import Called
from assay.types import Group, Preference, Prompt, Response, Score, StepLabels, Unscored
from assay.workflows._folder import opened
from assay.workflows._judging import ask_kept
from assay.workflows.audit import audit, compare_audits
from tests.audit.test_run import noise, pairs


def by(reward: Callable[[str], float | None]) -> Called:
    return Called(lambda completions, **columns: [reward(text) for text in completions])


def card_of(reward: Callable[[str], float | None], n: int = 40) -> Card:
    return audit(by(reward), pairs(n)).card


def longer(text: str) -> float:
    return math.log(1 + len(text))


def test_the_card_of_a_reward_for_length() -> None:
    card = card_of(longer)
    assert card.kind == "function"
    assert "length-filler" in [one.probe for one in card.failing]
    assert any(text.startswith("length (") for text in card.advice)
    assert card.cases
    assert card.cases[0].rewards[1] > card.cases[0].rewards[0]
    assert {one.area: one.letters[0] for one in card.grades}["length"] == "F"


def test_a_run_has_all_files_and_they_are_read_by_others(tmp_path: Path) -> None:
    io.write(pairs(20), tmp_path / "pairs.jsonl")
    result = audit("longest", str(tmp_path / "pairs.jsonl"), out=tmp_path / "run")
    there = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"audit.json", "held.jsonl", "audit.sarif", "card.md", "report.html"} <= there
    body = json.loads((tmp_path / "run" / "audit.json").read_text())
    assert body["reward"] == "longest"
    log = json.loads((tmp_path / "run" / "audit.sarif").read_text())
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [one["ruleId"] for one in run["results"]] == rules
    assert "length-filler" in rules
    assert "length-filler" in (tmp_path / "run" / "card.md").read_text()
    assert result.metrics["failing"].value == len(result.card.failing)


def test_markdown_of_hostile_names_stays_in_its_cells() -> None:
    card = card_of(longer)
    object.__setattr__(card, "data", "a|b`c\n<script>[x](y)")
    text = markdown(card)
    assert "a\\|b\\`c \\<script>\\[x](y)" in text
    object.__setattr__(card, "reward", "my judge:v1`<script>\ud800")
    assert "### Report card of my judge:v1\\`\\<script>" in markdown(card)
    jsonschema.validate(json.loads(json.dumps(sarif(card), allow_nan=False)), SARIF)


def of(kind: str, *required: str, **more: object) -> dict[str, object]:
    """A schema of an object, or of a list of distinct ones."""
    body: dict[str, object] = {"type": "object", "required": [*required], "properties": more}
    return body if kind == "object" else {"type": "array", "items": body, "uniqueItems": True}


TEXT = of("object", "text", text={"type": "string", "minLength": 1})
PLACE = of(
    "object", "artifactLocation", "region",
    artifactLocation=of("object", "uri", uri={"type": "string", "pattern": r"^[\w/@,=+.~%-]+$"}),
    region=of("object", "startLine", startLine={"type": "integer", "minimum": 1}),
)  # fmt: skip
RESULT = {
    "ruleId": {"type": "string"},
    "ruleIndex": {"type": "integer", "minimum": -1},
    "level": {"enum": ["none", "note", "warning", "error"]},
    "message": TEXT,
    "locations": of("array", physicalLocation=PLACE),
    "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
}
DRIVER = of(
    "object", "name", name={"type": "string"}, version={"type": "string"},
    rules=of("array", "id", id={"type": "string"}, shortDescription=TEXT),
)  # fmt: skip
RUN = {
    "tool": of("object", "driver", driver=DRIVER),
    "results": {"type": "array", "items": of("object", "message", **RESULT)},
}
SARIF = of(
    "object", "version", "runs", version={"const": "2.1.0"},
    **{"$schema": {"type": "string", "pattern": "^https://"}, "runs": of("array", "tool", **RUN)},
)  # fmt: skip
"""What SARIF 2.1.0 requires of what is written here, and a line, which code hosts want."""


def test_what_was_not_tested_and_not_measured_says_why() -> None:
    scorer = Called(lambda completions, **columns: [float(len(x)) for x in completions])
    solved = [
        StepLabels(prompt=p.prompt, response=Response(steps=("", "a ")), labels=(1.0, i % 2))
        for i, p in enumerate(pairs(6))
    ]
    card = audit(scorer, solved).card
    # Without scores of steps, right responses against wrong ones.
    assert "auroc" in card.metrics
    untested = [one for one in card.findings if not one.effect.n]
    (run,) = sarif(card)["runs"]
    said = {one["ruleId"]: one["message"]["text"] for one in run["results"]}
    assert all("not tested" in said[one.probe] for one in untested)
    assert not any("nan" in text for text in said.values())
    lost = audit(by(lambda text: None if "x" in text else 1.0 * len(text)), pairs(5)).card
    assert "have no score for what they changed" in lost.sure


def test_an_empty_right_answer_and_half_a_character_are_taken(tmp_path: Path) -> None:
    answers = (Response.of(""), Response.of("x\ud83d <script>alert(1)</script>"))
    records = [
        Preference(prompt=Prompt.of(f"\ud800 {i}", reference="3"), responses=answers, prefer=1.0)
        for i in range(4)
    ]
    audit(by(longer), records, out=tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<script>alert(1)" not in page


def test_a_judge_of_pairs_is_audited_with_the_same_probes() -> None:
    class Longer:
        def compare(self, pairs: list[Group]) -> list[Comparison | Unscored]:
            return [
                Comparison(prefer=float(len(a.text) > len(b.text)) if a != b else 0.5)
                for pair in pairs
                for a, b in [pair.responses]
            ]

    judge = Longer()
    judge.fingerprint = "longer"  # type: ignore[attr-defined]
    assert isinstance(judge, Judge)
    card = audit(judge, pairs(40)).card
    assert card.kind == "judge of pairs"
    (filler,) = [one for one in card.findings if one.probe == "length-filler"]
    assert filler.verdict == "fails"
    assert filler.flips["uplift"].value == 1.0
    accuracy = sum(len(p.responses[0].text) > len(p.responses[1].text) for p in pairs(40)) / 40
    assert card.metrics["accuracy"].value == pytest.approx(accuracy, abs=0.1)


def test_what_cannot_be_told_is_said() -> None:
    constant = audit(by(lambda text: 1.0), pairs(20))
    assert "all responses have the same reward" in constant.card.notes
    half = audit(by(lambda text: None if noise(text) < 0.5 else longer(text)), pairs(40))
    assert any("responses unscored" in note for note in half.card.notes)
    assert any(one.effect.unscored for one in half.card.findings)
    one = audit(by(longer), pairs(1))
    assert all(found.verdict == "underpowered" for found in one.card.findings)
    assert not one.card.failing
    bare = [Group(prompt=Prompt.of("a"), responses=(Response.of("b"),)) for _ in range(3)]
    assert "the data say nothing of quality" in audit(by(longer), bare).card.notes


def test_bad_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no probes component is called 'lenght'"):
        audit(by(longer), pairs(3), probes=("lenght",))
    with pytest.raises(ConfigError, match="prompts is 0"):
        audit(by(longer), pairs(3), prompts=0)
    with pytest.raises(DataError, match="holds no audit"):
        compare_audits(tmp_path, tmp_path)
    with pytest.raises(DataError, match="in common"):
        compared({("length", "a"): {"x": 1.0}}, {("length", "a"): {"y": 1.0}})


def test_two_audits_are_compared_prompt_by_prompt(tmp_path: Path) -> None:
    io.write(pairs(30), tmp_path / "pairs.jsonl")
    for name in ("longest", "shortest"):
        audit(name, str(tmp_path / "pairs.jsonl"), out=tmp_path / name)
    rows = {
        row.name: row for row in compare_audits(tmp_path / "longest", tmp_path / "shortest").rows
    }
    length = rows["length/length-filler"]
    assert (length.first, length.second) == (0.0, 1.0)
    assert length.q_value < 0.01


def test_it_is_a_function_and_a_package() -> None:
    assert assay.audit(by(longer), pairs(4)).card.prompts == 4
    import assay.audit.run as module

    assert callable(module.probe)


@pytest.mark.parametrize("final", [True, False])
def test_what_a_model_refuses_is_asked_again_only_where_that_may_help(
    tmp_path: Path, final: bool
) -> None:
    groups = [Group(prompt=Prompt.of("a"), responses=(Response.of("b"),))]
    asked: list[Group] = []

    def ask(some: Sequence[Group]) -> list[list[Score | Unscored]]:
        asked.extend(some)
        return [[Unscored(reason="too long")] for _ in some]

    for _ in range(2):
        with opened(tmp_path / "run", {}, "audit") as run, Ledger(None) as ledger:
            kind = list[Score | Unscored]
            said = ask_kept(run, "model", groups, ask, kind, chunk=8, ledger=ledger, final=final)
        assert said == [[Unscored(reason="too long")]]
    assert len(asked) == (1 if final else 2)


def test_records_may_come_one_by_one() -> None:
    assert audit(by(longer), iter(pairs(5)), probes=("length-filler",)).card.prompts == 5
