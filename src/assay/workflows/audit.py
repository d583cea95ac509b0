"""Audit a reward: is it any good, and how will it be gamed?"""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from assay import components, stats
from assay.answerers.ledger import Ledger
from assay.audit.advice import Kind, advice
from assay.audit.card import Card, Cost, estimates, sureness, worst_cases
from assay.audit.exports import markdown, sarif
from assay.audit.functions import FunctionCase
from assay.audit.hacks import Hacks, hunt
from assay.audit.process import process
from assay.audit.run import Probed, all_probes, joined, probe
from assay.audit.selftest import Selftest, selftest
from assay.audit.subjects import items_of
from assay.audit.terminal import terminal
from assay.audit.told import gamed, good
from assay.data.decisions import Decisions
from assay.data.records import prompt_of, responses_of
from assay.errors import ConfigError, DataError
from assay.evaluation.report import Report
from assay.fingerprint import fingerprint
from assay.protocols import Answerer, Judge, Scorer
from assay.runs.run import Run
from assay.runs.settings import dumps, write_atomic
from assay.specs.answerers import Asking, answerer
from assay.specs.compute import Weights
from assay.stats import Estimate
from assay.types import Group, Record, Score
from assay.workflows._audits import CARD, HELD, Compared, compare_audits
from assay.workflows._counted import Counted
from assay.workflows._data import Data, aside_in, name_of, named
from assay.workflows._directly import Directly, asked_directly, due_of, is_function
from assay.workflows._folder import opened
from assay.workflows._judging import spent
from assay.workflows._output import described
from assay.workflows._typed import asked_questions, typed
from assay.workflows.evaluate import labelled, measure
from assay.workflows.score import open_scorer

if TYPE_CHECKING:
    from assay.audit.probe import Probe

__all__ = ["Audited", "Compared", "audit", "audit_selftest", "compare_audits"]

LEDGER: Final = "ledger.sqlite"
FEWEST: Final = 4
"""Prompts that a search for hacks needs."""
UNTOLD: Final = "the data say nothing of quality"


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
        return self.card.to_json() | {"good": good(self.card), "gamed": gamed(self.card)}

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
        """Whether it is any good, how it is gamed, what to do next, and how sure that is."""
        return "\n".join(filter(None, [terminal(self.card), self.written]))


def audit(
    reward: str | Scorer | Judge | Answerer,
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
    weights: Weights = "saved",
    device: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    settings: object = None,
) -> Audited:
    """Try every probe on a reward, and write its report card.

    reward: a scorer's or a judge's word (docs/explain/words.md), or an object. data: preferences,
    pools of graded responses, or step labels; or typed questions, for an answerer's word. out:
    folder for audit.json, card.md, audit.sarif, report.html and run.json; an audit that was
    stopped resumes there. prompts: most prompts, drawn by the seed. probes: names; () is all, with
    what only some kinds of rewards are asked, and a search for hacks. hacks: responses that the
    search may score, 0 for none; gold: true quality, which no hack raises; transfer: another reward
    to try what is found on. ledger: file of a judge's paid answers;
    None is one in `out`. settings: what `run.json` holds; None is this call.

    What has no score is counted. Raises `DataError` where nothing can be told.
    """
    body = settings or described("audit", **locals())
    if prompts < 1 or hacks < 0:
        raise ConfigError(
            f"prompts is {prompts} and hacks {hacks}; give at least 1 and 0, which is no search"
        )
    given: Any = reward
    chosen = _chosen(probes)
    with (
        opened(out, body, "audit", data=named(data), overwrite=overwrite) as run,
        Ledger(ledger or (None if run is None else run.folder / LEDGER)) as paid,
    ):
        place = Asking(
            ledger=paid, device=device, dtype=dtype, weights=weights, micro_tokens=micro_tokens
        )
        name = str(reward) if isinstance(reward, (str, Path)) else type(reward).__name__
        if not isinstance(data, (str, Path)):
            data = list(data)  # Typed questions are looked for first.
        if decided := typed(data, format, prompts=prompts, seed=seed):
            result = _answered(answerer(given, place), decided, name, name_of(data), paid)
            return dataclasses.replace(result, settings=body).written_in(run)
        asked = open_reward(given, place)
        records = labelled(data, format, aside_in(set_aside, out), bare=True)
        items = items_of(records, prompts=prompts, seed=seed)
        started, counted = time.monotonic(), Counted(run, paid)
        besides = Directly() if probes else asked_directly(asked, items, seed=seed)
        if not probes:
            chosen = due_of(asked, items, chosen)
        probed = probe(asked, items, chosen, seed=seed, more=besides.findings, score=counted)
        cost = counted.cost(time.monotonic() - started)
        found = None
        if hacks and not probes and len(items) >= FEWEST:
            others: Any = {
                key: None if x is None else open_reward(x, place)
                for key, x in {"gold": gold, "transfer": transfer}.items()
            }
            found = hunt(asked, items, budget=hacks, seed=seed, unit=probed.unit, **others)
            if found.best:
                probed = joined(probed, [found.best[0].held_out])
        card = _card(
            reward=name,
            asked=asked,
            kind=_kind(asked, probed),
            data=name_of(data),
            prompts=len(items),
            probed=probed,
            measured=_quality(asked, records, probed, seed),
            functions=besides.functions,
            hacks=found,
            cost=cost,
        )
        return Audited(card=card, probed=probed, settings=body).written_in(run)


def _answered(
    asked: Answerer, records: Sequence[Decisions], name: str, data: str, paid: Ledger
) -> Audited:
    """The card of what answers typed questions."""
    started = time.monotonic()
    probed, measured = asked_questions(asked, records)
    cost = Cost(
        texts=sum(len(one.questions) for one in records),
        seconds=time.monotonic() - started,
        paid=spent(paid.paid) if paid.paid.requests else "",
    )
    card = _card(
        reward=name,
        asked=asked,
        kind="decision model",
        data=data,
        prompts=len(records),
        probed=probed,
        measured=measured,
        cost=cost,
    )
    return Audited(card=card, probed=probed)


def open_reward(reward: str | Path | Scorer | Judge, asking: Asking) -> Scorer | Judge:
    """Open a word as a judge of pairs, where it is one's, or as a scorer; an object is itself."""
    from assay.specs.judge_kinds import is_judge
    from assay.specs.judges import is_own_judge, judge
    from assay.specs.words import parse

    if isinstance(reward, str) and (is_judge(parse(reward)) or is_own_judge(parse(reward))):
        return judge(reward, asking)
    if isinstance(reward, Judge):
        return reward
    given: Any = reward
    return open_scorer(given, asking.device, asking.dtype, asking.weights, asking.micro_tokens)


def _chosen(names: Sequence[str]) -> "dict[str, Probe]":
    there = all_probes()
    for name in names:
        if name not in there:
            raise components.unknown("probes", name, there)
    return {name: there[name] for name in names or there}


def _quality(
    asked: Scorer | Judge, records: Sequence[Record], probed: Probed, seed: int
) -> Report | str:
    """How good the reward is on the sampled prompts' records, from the scores that are there; or
    why nothing says so."""
    by_text = {
        (item.prompt.shown, item.prompt.reference, one.response.steps): score
        for item, row in zip(probed.asked.items, probed.asked.base, strict=True)
        for one, score in zip(item.responses, row, strict=True)
    }
    kept, scores = [], []
    for record in records:
        prompt = prompt_of(record)
        keys = [(prompt.shown, prompt.reference, one.steps) for one in responses_of(record)]
        if type(record) is not Group and all(key in by_text for key in keys):
            kept.append(record)
            scores.append([by_text[key] for key in keys])
    if isinstance(asked, Judge):
        return _preferred(probed)
    try:
        return measure(asked, kept, scores=scores, seed=seed) if kept else _ranked(probed)
    except DataError as error:
        # Such as of step labels and a reward without step scores.
        found = _ranked(probed)
        return f"{UNTOLD}: {error}" if isinstance(found, str) else found


def _ranked(probed: Probed) -> Report | str:
    """How often a right response is scored above a wrong one, of all prompts' responses."""
    rows = [
        (score.value, float(len(one.response.text)), one.right, key)
        for key, one, score in probed.asked.all_scored()
        if one.right is not None
    ]
    if len({right for *_, right, _ in rows}) < 2:
        return UNTOLD
    scores, lengths, labels, keys = zip(*rows, strict=True)
    found = stats.auroc(scores, labels, clusters=keys)
    chance = Estimate(value=0.5, low=0.5, high=0.5, n=found.n)
    longest = stats.auroc(lengths, labels, clusters=keys)
    return Report(
        kind="outcome",
        metrics={"auroc": found},
        baselines={"auroc/random": chance, "auroc/longest": longest},
    )


def _preferred(probed: Probed) -> Report | str:
    """How often a judge of pairs prefers a right response to a wrong one; ties count one half."""
    rows = [
        (0.5 - score.value, item.key)
        for item, row in zip(probed.asked.items, probed.asked.base, strict=True)
        for one, score in zip(item.responses[1:], row[1:], strict=True)
        if item.responses[0].right and one.right is False and isinstance(score, Score)
    ]
    if not rows:
        return UNTOLD
    credits = [(ahead > 0) + 0.5 * (ahead == 0) for ahead, _ in rows]
    found = stats.proportion(credits, clusters=[key for _, key in rows])
    chance = Estimate(value=0.5, low=0.5, high=0.5, n=found.n)
    return Report(
        kind="preference", metrics={"accuracy": found}, baselines={"accuracy/random": chance}
    )


def _card(
    *,
    reward: str,
    asked: object,
    kind: Kind,
    data: str,
    prompts: int,
    probed: Probed,
    measured: Report | str,
    cost: Cost,
    functions: tuple[FunctionCase, ...] = (),
    hacks: Hacks | None = None,
) -> Card:
    steps = process(probed.asked, probed.unit)
    notes: list[str] = []
    metrics: dict[str, Estimate] = {}
    baselines: dict[str, Estimate] = {}
    if isinstance(measured, str):
        notes.append(measured)
    else:
        metrics, baselines = dict(measured.metrics), dict(measured.baselines)
    if steps is not None:
        notes.insert(0, steps.sentence)
        metrics |= steps.metrics
        baselines |= {f"{name}/baseline": value for name, value in steps.baselines.items()}
    return Card(
        reward=reward,
        fingerprint=fingerprint(asked),
        kind=kind,
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
        advice=advice(probed.grades, kind),
        sure=sureness(probed, prompts),
    )


def _kind(asked: Scorer | Judge, probed: Probed) -> Kind:
    if isinstance(asked, Judge):
        return "judge of pairs"
    if is_function(asked):
        return "function"
    inner = getattr(asked, "scorer", asked)
    if type(inner).__module__.startswith("assay.judges."):
        return "judge of responses"
    steps = any(len(s.steps) > 1 for row in probed.asked.base for s in row if isinstance(s, Score))
    return "process model" if steps else "scorer of responses"


def held_rows(probed: Probed) -> "Sequence[dict[str, Any]]":
    """Return a row per probe and prompt, with the share of changes that were withstood."""
    return [
        {"area": one.area, "probe": one.probe, "prompt": key, "held": held}
        for one in probed.findings
        for key, held in one.held.items()
    ]


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
