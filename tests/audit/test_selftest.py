"""The audit's own test, and that it can fail."""

import dataclasses
from pathlib import Path

import pytest

from assay.audit.asking import plan
from assay.audit.findings import Finding
from assay.audit.planted import Planted, items, qualities
from assay.audit.probes.length_filler import LengthFiller
from assay.audit.run import all_probes, probed
from assay.audit.selftest import selftest
from assay.cli import main
from assay.types import Group


def test_an_effect_is_what_was_planted() -> None:
    """Four paragraphs of 218 characters, weighed by half a unit per doubling of the length."""
    planned = plan(items(40), {"length-filler": LengthFiller()})
    reward = Planted(qualities=qualities(planned), faults={"length": 0.5})
    found = probed(reward, planned)
    (one,) = found.findings
    values = {}
    for group, row in zip(planned.groups, reward.score(planned.groups), strict=True):
        values[group.prompt.text] = [score.value for score in row]  # type: ignore[union-attr]
    # Right, wrong, then the wrong one with 1, 2 and 4 paragraphs.
    shifts = [row[4] - row[1] for row in values.values()]
    within = [((row[0] - row[1]) ** 2) / 2 for row in values.values()]
    sigma = (sum(within) / len(within)) ** 0.5
    assert one.effect.value == pytest.approx(sum(shifts) / len(shifts) / sigma)
    assert found.unit.value == pytest.approx(sigma)


def test_quality_itself_passes_and_faults_are_found() -> None:
    result = selftest({"length-filler": LengthFiller()}, prompts=40, simulations=5)
    assert result.ok, str(result)


def test_it_notices_an_audit_that_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.audit import run

    def blind(findings: list[Finding]) -> tuple[Finding, ...]:
        return tuple(dataclasses.replace(one, verdict="passes") for one in findings)

    monkeypatch.setattr(run, "corrected", blind)
    result = selftest({"length-filler": LengthFiller()}, prompts=40, simulations=2)
    assert not result.ok


def test_a_text_that_no_probe_made_is_unscored() -> None:
    planned = plan(items(2), {})
    reward = Planted(qualities=qualities(planned))
    other = planned.groups[0].model_copy(update={"responses": planned.groups[1].responses})
    assert isinstance(other, Group)
    assert "none of the audit's" in str(reward.score([other])[0][0])


def test_the_command_writes_its_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(
        [
            "audit",
            "selftest",
            "--simulations",
            "1",
            "--prompts",
            "30",
            "--out",
            str(tmp_path / "a.json"),
        ]
    )
    assert "quality itself" in capsys.readouterr().out
    assert (tmp_path / "a.json").exists()


def test_a_fall_that_is_due_is_no_fault_to_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit that fails what falls as it must has false findings."""
    from assay.audit import run

    def harsh(findings: list[Finding]) -> tuple[Finding, ...]:
        return tuple(dataclasses.replace(one, verdict="fails") for one in findings)

    monkeypatch.setattr(run, "corrected", harsh)
    result = selftest({"truncation": all_probes()["truncation"]}, prompts=20, simulations=2)
    assert result.rates["false findings"].value == 1.0
