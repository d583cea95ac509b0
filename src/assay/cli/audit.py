"""`assay audit REWARD DATA`: is a reward any good, and how will it be gamed?"""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Final

import tyro

from assay.cli.audit_gate import AuditGate, AuditGateCheck
from assay.cli.options import Aside, Data, FailOn, Format, Overwrite, check_conditions, end_where
from assay.specs.compute import Compute
from assay.specs.judges import GRAMMAR
from assay.specs.scorer_kinds import KINDS

__all__ = ["COMMANDS", "Command"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(Compute):
    """Audit a reward: probes change responses in ways whose effect on quality is known.

    One page says how the reward does in each area, with an interval, shows the worst texts, and
    says what to do next: report.html, with audit.json, card.md for a pull request and audit.sarif
    for code hosts beside it. Any scorer or judge can be audited, with the same probes and units
    (docs/explain/audit.md).

    Beside it: `assay audit compare A B` sets two audits side by side, `assay audit selftest` audits
    planted faults, `assay audit gate LABELS` holds a judge against people, and `assay audit
    gate-check GATE` asks whether it still may score. Each has its --help.
    """

    reward: Annotated[
        str,
        tyro.conf.Positional,
        tyro.conf.arg(
            metavar="REWARD",
            help=f"Scorer: {KINDS}. Judge: {GRAMMAR}. Or an answerer (head:SCORER is one, too), of"
            " typed questions.",
        ),
    ]
    data: Data
    """Preferences, pools of graded responses, step labels or typed questions: file, folder or
    Hugging Face data set."""
    out: Path | None = None
    """Folder of the run, for report.html, audit.json, card.md, audit.sarif and run.json."""
    prompts: int = 300
    """Most prompts, drawn by the seed."""
    probes: tuple[str, ...] = ()
    """Names of probes to try; without any, all, and a search for hacks."""
    hacks: int = 2000
    """Edited responses that the search for hacks may score; 0 = no search."""
    gold: str | None = None
    """Scorer of true quality, which a hack must not raise as well."""
    transfer: str | None = None
    """Another reward, to try what is found on."""
    ledger: Path | None = None
    """File of a judge's paid answers, which several runs may share; without it, one in the run's
    folder."""
    format: Format = None
    set_aside: Aside = None
    fail_on: FailOn = ()

    seed: int = 0
    """Seed of the sample and of the probes."""
    overwrite: Overwrite = False

    def __call__(self) -> None:
        """Audit, print, and write the files."""
        from assay.workflows.audit import audit

        given = dict(vars(self))
        check_conditions(given.pop("fail_on"))
        result = audit(given.pop("reward"), given.pop("data"), **given, settings=self)
        print(result)
        end_where("audit", self.fail_on, result.metrics)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AuditCompare:
    """Compare two audits of the same data, prompt by prompt.

    Differences are the second's less the first's share of changes withstood.
    """

    first: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="A")]
    """Folder of an audit."""
    second: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="B")]
    """Folder of another."""
    fail_on: FailOn = ()

    def __call__(self) -> None:
        """Compare and print."""
        from assay.workflows.audit import compare_audits

        check_conditions(self.fail_on)
        result = compare_audits(self.first, self.second)
        print(result)
        end_where("audit compare", self.fail_on, result.metrics)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AuditSelftest:
    """Audit rewards whose faults are planted: what is planted must be found, and nothing else.

    It takes no model and no data: a few minutes with all probes.
    """

    simulations: int = 20
    """Draws of noise, for the rates."""
    prompts: int = 200
    """Prompts of each audit."""
    out: Path | None = None
    """File for the results as JSON."""

    def __call__(self) -> None:
        """Run it, print, and end with 1 where something does not come out."""
        from assay.workflows.audit import audit_selftest

        result = audit_selftest(simulations=self.simulations, prompts=self.prompts, out=self.out)
        print(result)
        if not result.ok:
            raise SystemExit(1)


COMMANDS: Final[dict[str, Any]] = {
    "compare": AuditCompare,
    "selftest": AuditSelftest,
    "gate": AuditGate,
    "gate-check": AuditGateCheck,
}
