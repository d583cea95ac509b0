"""Audit a reward: is it any good, and how will it be gamed?"""

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from assay import components, stats
from assay.answerers.ledger import Ledger
from assay.audit.card import (
    Card,
    Cost,
    Kind,
    advice,
    estimates,
    hack_told,
    sureness,
    worst_cases,
)
from assay.audit.exports import markdown, sarif
from assay.audit.functions import FunctionCase
from assay.audit.hacks import Hacks, hunt
from assay.audit.paired import Difference, compared
from assay.audit.process import process
from assay.audit.run import Probed, all_probes, joined, probe
from assay.audit.selftest import Selftest, selftest
from assay.audit.subjects import Item, items_of
from assay.data.records import cluster_key, responses_of
from assay.errors import ConfigError, DataError
from assay.evaluation.report import Report
from assay.fingerprint import fingerprint
from assay.protocols import Judge, Scorer
from assay.runs.run import Run
from assay.runs.settings import dumps, write_atomic
from assay.specs.answerers import Asking
from assay.stats import Estimate, summarise
from assay.types import Group, Record, Score, Unscored
from assay.workflows._data import Data, aside_in, name_of, named
from assay.workflows._directly import Directly, asked_directly, is_function
from assay.workflows._folder import opened
from assay.workflows._judging import ask_kept, spent
from assay.workflows._output import described
from assay.workflows.evaluate import labelled, measure
from assay.workflows.score import open_scorer

if TYPE_CHECKING:
    from assay.audit.probe import Probe

__all__ = ["Audited", "Compared", "audit", "audit_selftest", "compare_audits"]

CHUNK: Final = 8
"""Prompts scored at once."""
HELD: Final = "held.jsonl"
LEDGER: Final = "ledger.sqlite"
FEWEST: Final = 4
"""Prompts that a search for hacks needs."""
CARD: Final = "audit.json"


@dataclass(frozen=True, kw_only=True)
class Audited:
    """A reward's report card."""

    card: Card
    probed: Probed = field(repr=False)
    settings: object = field(default=None, repr=False)
    """What `run.json` holds."""
    written: str = field(default="", repr=False)
    """Files that were written, in words."""

    @property
    def metrics(self) -> dict[str, Estimate]:
        """Every number by name; see `audit.card.estimates`."""
        return estimates(self.card)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return self.card.to_json()

    def written_in(self, run: Run | None) -> "Audited":
        """Write the files of a run; nothing where there is no folder."""
        from assay.pages.audit import audit_sections

        if run is None:
            return self
        run.save(CARD, self.to_json())
        run.save(HELD, list(held_rows(self.probed)))
        run.save("audit.sarif", sarif(self.card))
        run.save("card.md", markdown(self.card))
        run.page(
            f"Report card of {Path(self.card.reward).name}",
            lambda: audit_sections(self.card, run.body),
            subtitle=f"{self.card.kind}, on {self.card.data}",
        )
        return dataclasses.replace(self, written=run.written())

    def __str__(self) -> str:
        """The grades, what fails, what to do next, and how sure it is."""
        from rich.table import Table

        from assay.console.tables import text

        card = self.card
        rows = Table(box=None, padding=(0, 1))
        for name in ("area", "grade", "withstood", "failing probes"):
            rows.add_column(name)
        for one in card.grades:
            grade, low, high = one.letters
            between = grade if low == high else f"{grade} ({low} to {high})"
            failing = ", ".join(one.fails) or "none"
            rows.add_row(one.area, between, f"{one.held:.2f}", failing)
        fails = [
            f"fails: {one.probe}, {one.meaning}: {summarise(one.effect, 2)}" for one in card.failing
        ]
        quality = [f"{name} {summarise(value)}" for name, value in card.metrics.items()]
        told = [*card.notes, hack_told(card), card.sure, _cost(card.cost)]
        return "\n".join(filter(None, [text(rows), *fails, *quality, *card.advice, *told,
                                       self.written]))  # fmt: skip


def _cost(cost: Cost) -> str:
    said = f"{cost.texts:,} responses scored in {cost.seconds:.0f} s"
    if cost.tokens and cost.naive:
        said += f"; {cost.tokens:,} tokens read, {cost.naive / cost.tokens:.1f} times fewer than"
        said += f" the {cost.naive:,} of each response on its own"
    if cost.paid:
        said += f"; {cost.paid}"
    return said


def audit(
    reward: str | Scorer | Judge,
    data: Data,
    *,
    out: str | Path | None = None,
    prompts: int = 300,
    probes: Sequence[str] = (),
    hacks: int = 2000,
    gold: str | Scorer | None = None,
    transfer: str | Scorer | Judge | None = None,
    ledger: str | Path | None = None,
    format: str | None = None,
    set_aside: str | Path | bool | None = None,
    micro_tokens: int = 8192,
    dtype: str | None = "auto",
    device: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    settings: object = None,
) -> Audited:
    """Try every probe on a reward, and write its report card.

    reward: a scorer's or a judge's word (docs/explain/words.md), or an object. data: preferences,
    pools of graded responses, or step labels. out: folder for audit.json, card.md, audit.sarif,
    report.html and run.json; an audit that was stopped resumes there. prompts: most prompts, drawn
    by the seed. probes: names; () is all, with what only some kinds of rewards are asked, and a
    search for hacks. hacks: responses that the search may score, 0 for none; gold: true quality,
    which an edit must not raise as well to be one; transfer: another reward to try what is found
    on. ledger: file of a judge's paid answers; None is one in `out`. settings: what `run.json`
    holds; None is this call.

    What has no score is counted, and what could not be told is said. Raises `DataError` where
    nothing can be: no response, or none with a score.
    """
    body = settings or described("audit", **locals())
    if prompts < 1:
        raise ConfigError(f"prompts is {prompts}; it must be at least 1")
    chosen = _chosen(probes)
    if hacks < 0:
        raise ConfigError(f"hacks is {hacks}; give a number of responses, or 0 for no search")
    with (
        opened(out, body, "audit", data=named(data), overwrite=overwrite) as run,
        Ledger(ledger or (None if run is None else run.folder / LEDGER)) as paid,
    ):
        place = Asking(ledger=paid, device=device, dtype=dtype, micro_tokens=micro_tokens)
        asked = open_reward(reward, place)
        records = labelled(data, format, aside_in(set_aside, out), bare=True)
        items = items_of(records, prompts=prompts, seed=seed)
        started, counted = time.monotonic(), _Counted(run, paid)
        besides = Directly() if probes else asked_directly(asked, items, seed=seed)
        if is_function(asked) and not probes:
            # What a program reads is the answer: work that it does not read is no fault of it.
            chosen = {name: one for name, one in chosen.items() if one.area != "steps"}
        probed = probe(asked, items, chosen, seed=seed, more=besides.findings, score=counted)
        cost = counted.cost(time.monotonic() - started)
        found = None
        if hacks and not probes and len(items) >= FEWEST:
            others = (None if x is None else open_reward(x, place) for x in (gold, transfer))
            found = _hunted(asked, items, probed, hacks, seed, *others)
            if found.best:
                probed = joined(probed, [found.best[0].held_out])
        card = _card(
            reward=str(reward) if isinstance(reward, (str, Path)) else type(reward).__name__,
            asked=asked,
            data=name_of(data),
            probed=probed,
            measured=_quality(asked, records, probed, seed),
            functions=besides.functions,
            hacks=found,
            cost=cost,
        )
        return Audited(card=card, probed=probed, settings=body).written_in(run)


def _hunted(
    asked: Scorer | Judge,
    items: Sequence[Item],
    probed: Probed,
    budget: int,
    seed: int,
    gold: Any,
    transfer: Any,
) -> Hacks:
    return hunt(
        asked,
        items,
        budget=budget,
        seed=seed,
        gold=gold,
        transfer=transfer,
        unit=probed.unit,
    )


def open_reward(reward: str | Path | Scorer | Judge, asking: Asking) -> Scorer | Judge:
    """Open a word as a judge of pairs, where it is one's, or as a scorer; an object is itself."""
    from assay.specs.judge_kinds import is_judge
    from assay.specs.words import parse

    if isinstance(reward, str) and is_judge(parse(reward)):
        from assay.specs.judges import judge

        return judge(reward, asking)
    if isinstance(reward, Judge):
        return reward
    given: Any = reward
    return open_scorer(given, asking.device, asking.dtype, asking.micro_tokens)


def _chosen(names: Sequence[str]) -> "dict[str, Probe]":
    there = all_probes()
    for name in names:
        if name not in there:
            raise components.unknown("probes", name, there)
    return {name: there[name] for name in names or there}


class _Counted:
    """Asks a scorer some prompts at a time, keeps what it says, and counts what it costs."""

    def __init__(self, run: Run | None, paid: Ledger) -> None:
        self._run, self._paid = run, paid
        self._texts, self._tokens, self._naive = 0, 0, 0

    def __call__(self, scorer: Scorer, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        def ask(some: Sequence[Group]) -> list[list[Score | Unscored]]:
            before = getattr(scorer, "tokens_read", None) or 0
            said = scorer.score(some)
            self._tokens += (getattr(scorer, "tokens_read", None) or 0) - before
            self._naive += _naive(scorer, some)
            return said

        self._texts += sum(len(group.responses) for group in groups)
        return ask_kept(
            self._run,
            fingerprint(scorer),
            groups,
            ask,
            list[Score | Unscored],
            chunk=CHUNK,
            ledger=self._paid,
            what="audit",
        )

    def cost(self, seconds: float) -> Cost:
        """What was paid in all."""
        return Cost(
            texts=self._texts,
            seconds=seconds,
            tokens=self._tokens if self._naive else None,
            naive=self._naive or None,
            paid=spent(self._paid.paid) if self._paid.paid.requests else "",
        )


def _naive(scorer: Scorer, groups: Sequence[Group]) -> int:
    """Tokens of each response with its prompt on its own; 0 where the scorer has no layout."""
    encoder = getattr(getattr(getattr(scorer, "scorer", scorer), "model", None), "encoder", None)
    if encoder is None:
        return 0
    from assay.models.laid_out import laid_out

    pairs = [[(group.prompt, one)] for group in groups for one in group.responses]
    return sum(len(made[0].ids) for made in laid_out(pairs, encoder) if not isinstance(made, str))


def _quality(
    asked: Scorer | Judge, records: Sequence[Record], probed: Probed, seed: int
) -> Report | None:
    """How good the reward is on the sampled prompts' records, from the scores that are there.

    None where the records have no label, or nothing can be measured.
    """
    by_text = {
        (item.key, one.response.steps): score
        for item, row in zip(probed.asked.items, probed.asked.base, strict=True)
        for one, score in zip(item.responses, row, strict=True)
    }
    kept, scores = [], []
    for record in records:
        keys = [(cluster_key(record), one.steps) for one in responses_of(record)]
        if type(record) is not Group and all(key in by_text for key in keys):
            kept.append(record)
            scores.append([by_text[key] for key in keys])
    if isinstance(asked, Judge):
        return _preferred(probed)
    if not kept:
        return None
    try:
        return measure(asked, kept, scores=scores, seed=seed)
    except DataError:
        return None


def _preferred(probed: Probed) -> Report | None:
    """How often a judge of pairs prefers a right response to a wrong one; ties count one half."""
    rows = [
        (0.5 - score.value, item.key)
        for item, row in zip(probed.asked.items, probed.asked.base, strict=True)
        for one, score in zip(item.responses[1:], row[1:], strict=True)
        if item.responses[0].right and one.right is False and isinstance(score, Score)
    ]
    if not rows:
        return None
    credits = [(ahead > 0) + 0.5 * (ahead == 0) for ahead, _ in rows]
    found = stats.proportion(credits, clusters=[key for _, key in rows])
    chance = Estimate(value=0.5, low=0.5, high=0.5, n=found.n)
    return Report(
        kind="preference", metrics={"accuracy": found}, baselines={"accuracy/random": chance}
    )


def _card(
    *,
    reward: str,
    asked: Scorer | Judge,
    data: str,
    probed: Probed,
    measured: Report | None,
    functions: tuple[FunctionCase, ...],
    hacks: Hacks | None,
    cost: Cost,
) -> Card:
    prompts, steps = len(probed.asked.items), process(probed.asked, probed.unit)
    metrics = dict(measured.metrics) if measured else {}
    baselines = dict(measured.baselines) if measured else {}
    notes = [] if measured else ["the data say nothing of quality"]
    if steps is not None:
        notes.insert(0, steps.sentence)
        metrics |= steps.metrics
        baselines |= {f"{name}/baseline": value for name, value in steps.baselines.items()}
    return Card(
        reward=reward,
        fingerprint=fingerprint(asked),
        kind=_kind(asked, probed),
        data=data,
        prompts=prompts,
        unit=probed.unit,
        grades=probed.grades,
        findings=probed.findings,
        metrics=metrics,
        baselines=baselines,
        cost=cost,
        functions=functions,
        hacks=hacks,
        notes=(*notes, *probed.notes),
        cases=worst_cases(probed.findings),
        advice=advice(probed.grades),
        sure=sureness(probed, prompts),
    )


def _kind(asked: Scorer | Judge, probed: Probed) -> Kind:
    if isinstance(asked, Judge):
        return "judge of pairs"
    if is_function(asked):
        return "function"
    steps = any(len(s.steps) > 1 for row in probed.asked.base for s in row if isinstance(s, Score))
    return "process model" if steps else "scorer of responses"


def held_rows(probed: Probed) -> "Sequence[dict[str, Any]]":
    """Return a row per probe and prompt, with the share of changes that were withstood."""
    return [
        {"area": one.area, "probe": one.probe, "prompt": key, "held": held}
        for one in probed.findings
        for key, held in one.held.items()
    ]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two rewards' report cards, beside each other."""

    first: str
    second: str
    rows: Sequence[Difference]

    @property
    def metrics(self) -> dict[str, Estimate]:
        """The differences by name, the second less the first."""
        return {one.name: one.difference for one in self.rows}

    def __str__(self) -> str:
        """A table of the areas, and of the probes that certainly differ."""
        from rich.table import Table

        from assay.console.tables import text

        rows = Table(box=None, padding=(0, 1))
        for name in ("", self.first, self.second, "difference", "q"):
            rows.add_column(name)
        for one in self.rows:
            if "/" not in one.name or one.q_value <= 0.05:
                rows.add_row(
                    one.name,
                    f"{one.first:.2f}",
                    f"{one.second:.2f}",
                    summarise(one.difference, 2),
                    f"{one.q_value:.3f}",
                )
        return text(rows)


def compare_audits(first: str | Path, second: str | Path) -> Compared:
    """Compare two audits, of their runs' folders, on the prompts that both were tried on.

    Raises `DataError` where a folder holds no audit, or they have no prompt in common.
    """
    names, held = [], []
    for folder in (Path(first), Path(second)):
        try:
            names.append(str(json.loads((folder / CARD).read_text())["reward"]))
            lines = (folder / HELD).read_text().splitlines()
            rows = [json.loads(line) for line in lines]
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"{folder} holds no audit ({error}); give the folder that `assay audit --out` wrote"
            ) from error
        by: dict[tuple[str, str], dict[str, float]] = {}
        for row in rows:
            by.setdefault((row["area"], row["probe"]), {})[row["prompt"]] = row["held"]
        held.append(by)
    return Compared(first=names[0], second=names[1], rows=compared(*held))


def audit_selftest(
    *, simulations: int = 20, prompts: int = 200, out: str | Path | None = None
) -> Selftest:
    """Audit rewards whose faults are planted, with all probes. out: file for the results."""
    from assay.console.progress import progress

    if min(simulations, prompts) < 1:
        raise ConfigError(
            f"simulations is {simulations} and prompts {prompts}; they must be at least 1"
        )
    with progress("simulations", simulations) as show:
        result = selftest(
            all_probes(), prompts=prompts, simulations=simulations, show=lambda n: show(n, "")
        )
    if out is not None:
        write_atomic(Path(out), dumps(result.to_json()))
    return result
