"""Label the steps of solutions by rollouts, and keep what it cost.

Rollouts are solutions that a policy completes from after a step; a verifier judges them. Each one
is written to a ledger before it is used: a run that was stopped resumes and pays nothing twice.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from assay.console.progress import progress
from assay.data import io
from assay.data.records import as_group, as_groups, prompt_of, responses_of, subset
from assay.data.splitting import resplit
from assay.errors import BackendError, ConfigError, DataError
from assay.labelling.adaptive import Adaptive
from assay.labelling.binary_search import BinarySearch
from assay.labelling.consensus import consensus, labelled
from assay.labelling.consensus import truncate as cut_after_error
from assay.labelling.ledger import Ledger
from assay.labelling.montecarlo import MonteCarlo
from assay.labelling.outcomes import Outcomes, outcomes, problems, shares
from assay.labelling.predictive import PriorCheck, prior_check
from assay.labelling.repair import SelfCorrection
from assay.labelling.rollouts import Cost, Rollouts, has_reference
from assay.labelling.search import TreeSearch
from assay.protocols import Generator, Prefix, Sampling, Scorer, Verifier
from assay.runs.run import Run
from assay.specs.generators import Policy
from assay.specs.verifiers import verifier as verifier_of
from assay.types import Group, Prompt, Record, Response, RolloutLabels, StepLabels
from assay.workflows._data import Data, aside_in, named
from assay.workflows._executor import SpreadGenerator, spread
from assay.workflows._output import described
from assay.workflows.score import in_parts, open_scorer

__all__ = ["LABELLERS", "Labels", "agreed", "label"]

Labeller = MonteCarlo | Adaptive | BinarySearch | TreeSearch
LABELLERS: Final[Mapping[str, type[Labeller]]] = {
    "montecarlo": MonteCarlo,
    "adaptive": Adaptive,
    "binary-search": BinarySearch,
    "search": TreeSearch,
}
"""Ways to label, by name."""
LABELS: Final = "labels.jsonl"
CRITIC: Final = "steps:"
"""What the word of a critic of steps begins with."""

Pairs = Sequence[tuple[Prompt, Response]]


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labelled solutions, and what the labels rest on and cost."""

    out: Path
    """Folder of the run: labels.jsonl, ledger.jsonl, report.html, run.json."""
    records: Sequence[RolloutLabels] = field(repr=False)
    """Solutions with a label for each step."""
    outcomes: Outcomes
    """What became of the rollouts."""
    cost: Cost
    """Rollouts, tokens and seconds."""
    prior: PriorCheck | None = None
    """Whether the labeller's prior fits the rollouts; None where it has none."""
    notes: Sequence[str] = ()
    """What the rollouts came to, most important first."""
    written: str = field(default="", repr=False)
    """Files that were written, in words."""

    def summary(self) -> dict[str, Any]:
        """Count solutions, steps, labels and rollouts, by names for people."""
        every = list(chain.from_iterable(record.labels for record in self.records))
        there = [y for y in every if y is not None]
        right = [all(y is not None and y > 0.5 for y in r.labels) for r in self.records]
        cost = self.cost
        counts: dict[str, Any] = {
            "solutions": len(self.records),
            "steps": len(every),
            "steps with a label": len(there),
            "mean label": f"{sum(there) / len(there):.3f}" if there else "none",
            "solutions with every step right": sum(right),
            "solutions of one step": sum(len(record.labels) == 1 for record in self.records),
            "prefixes": cost.prefixes,
            "rollouts made": cost.rollouts,
            "rollouts known before": cost.known,
            "tokens": cost.tokens,
            "seconds": round(cost.seconds),
            "rollouts that were cut off": cost.cut_off,
            "rollouts without any text": cost.empty,
            "rollouts that the verifier could not judge": cost.undecided,
            "rollouts that correct what came before, set aside": cost.guarded,
        }
        failed = {f"prefixes without rollouts ({why})": n for why, n in cost.failed.items()}
        return counts | failed

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        prior = self.prior and dataclasses.asdict(self.prior) | {"fails": self.prior.fails}
        return {
            "cost": self.cost.to_json(),
            "labels": self.summary(),
            "outcomes": dataclasses.asdict(self.outcomes),
            "prior": prior,
        }

    def __str__(self) -> str:
        """What the rollouts came to, and the counts."""
        lines = list(self.notes)
        for key, value in self.summary().items():
            lines.append(f"{key}: {value:,}" if isinstance(value, int) else f"{key}: {value}")
        return "\n".join(filter(None, [*lines, self.written]))


def label(
    data: Data,
    *,
    policy: str | Path | Policy | Generator,
    out: str | Path,
    how: str | Labeller = "adaptive",
    verifier: str | Verifier = "numeric",
    samples: int = 4,
    ledger: str | Path | None = None,
    cut_off: Literal["wrong", "undecided"] = "wrong",
    guard: bool = True,
    truncate: bool = False,
    limit: int | None = None,
    format: str | None = None,
    set_aside: str | Path | bool | None = None,
    executor: str = "local",
    overwrite: bool = False,
    settings: object = None,
    **sampling: Any,
) -> Labels:
    """Label the steps of solutions, or of solutions sampled of prompts, by rollouts.

    data: solutions to prompts with reference answers, or the prompts alone. policy: a folder,
    "smol", a server's address, or a generator. how: montecarlo, adaptive, binary-search, search, or
    a labeller with settings of its own. samples: solutions sampled of each prompt alone. ledger:
    file of rollouts, shared by runs. cut_off: what a rollout counts as that reached max_tokens.
    guard: set aside rollouts that correct what came before. truncate: keep no label after the first
    wrong step. limit: most solutions or prompts to label. executor: as for `score`; actors write,
    and answers are checked here. settings: what `run.json` holds.
    sampling: fields of `specs.generators.Policy`, such as max_tokens=256, temperature=0.7, seed=1.

    Raises `DataError` where a prompt has no reference, unless set_aside is a file for such records
    (True is set_aside.jsonl in `out`), or where there is nothing to label; `BackendError` where the
    policy gave no rollout.
    """
    body = settings or described("label", **locals())
    if samples < 1 or (limit is not None and limit < 0):
        raise ConfigError(f"samples is {samples} and limit {limit}; the least are 1 and 0")
    labeller = _labeller(how)
    judge = verifier_of(verifier)
    with Run.open(out, body, command="label", data=named(data), overwrite=overwrite) as run:
        search = isinstance(labeller, TreeSearch)
        records = _records(data, format, limit, aside_in(set_aside, out), by_prompt=search)
        with (
            _opened(executor, policy, sampling) as given,
            Ledger(Path(ledger or run.folder / "ledger.jsonl")) as book,
            progress("rollouts", None) as show,
        ):
            rollouts = Rollouts(
                generator=given.generator,
                verifier=judge,
                sampling=given.sampling,
                name=given.name,
                ledger=book,
                cut_off=cut_off,
                guard=SelfCorrection() if guard else None,
                show=show,
            )
            labels = _labelled(labeller, records, rollouts, given.split, samples)
        made = _result(run.folder, labels, rollouts, labeller, _empty(records, rollouts, samples))
        if truncate:
            made = dataclasses.replace(made, records=[cut_after_error(record) for record in labels])
        return _written(made, run)


class _Given(NamedTuple):
    """What writes rollouts, and how."""

    generator: Generator
    name: str
    sampling: Sampling
    split: Callable[[str], tuple[str, ...]]


@contextmanager
def _opened(
    executor: str, policy: str | Path | Policy | Generator, sampling: Mapping[str, Any]
) -> Iterator[_Given]:
    if "" in (policy, getattr(policy, "policy", None)):
        raise ConfigError("nothing writes rollouts: give --policy")
    if isinstance(policy, Policy):
        settings = dataclasses.replace(policy, **sampling)
    else:
        word = str(policy) if isinstance(policy, (str, Path)) else ""
        settings = Policy(policy=word, **sampling)
    # A generator of one's own is known by its fingerprint.
    make: Any = settings.open if settings.policy else lambda: (policy, "")
    with spread(executor, lambda: make()[0]) as actors:
        generator, name = make() if actors is None else (SpreadGenerator(actors), "")
        yield _Given(generator, name, settings.sampling(), settings.splitter())


def _labeller(how: str | Labeller) -> Labeller:
    """The labeller of a name; a labeller is returned as it is."""
    if not isinstance(how, str):
        return how
    if how not in LABELLERS:
        raise ConfigError(f"no way to label is called {how!r}; there is {', '.join(LABELLERS)}")
    return LABELLERS[how]()


def _labelled(
    labeller: Labeller,
    records: Sequence[Record],
    rollouts: Rollouts,
    split: Callable[[str], tuple[str, ...]],
    samples: int,
) -> list[RolloutLabels]:
    """Label: a tree search takes the prompts, the others take solutions."""
    if not isinstance(labeller, TreeSearch):
        return labeller(_solutions(records, rollouts, split, samples), rollouts)
    prompts: dict[str, Prompt] = {}
    for record in records:
        prompt = prompt_of(record)
        prompts.setdefault(prompt.text, prompt)
    trees = labeller([*prompts.values()], rollouts)
    return list(chain.from_iterable(tree.records(labeller.label) for tree in trees))


def _solutions(
    records: Sequence[Record],
    rollouts: Rollouts,
    split: Callable[[str], tuple[str, ...]],
    samples: int,
) -> Pairs:
    """The solutions of the records; those of prompts alone are sampled, and kept in the ledger."""
    pairs: list[tuple[Prompt, Response]] = []
    for record in records:
        if isinstance(record, StepLabels):
            pairs.append((record.prompt, record.response))
        elif isinstance(record, Group):
            pairs += [(record.prompt, response) for response in record.responses]
    if any(response.turns for _, response in pairs):
        raise DataError(
            "rollouts go on from a text, and a trajectory has turns and answers of tools between"
            " them; give single texts"
        )
    pairs = [(prompt, resplit(r, split) if len(r.steps) == 1 else r) for prompt, r in pairs]
    asks = [(Prefix(record), samples) for record in records if isinstance(record, Prompt)]
    rollouts.want(asks)
    for prefix, count in asks:
        for rollout in rollouts.of(prefix, count):
            if rollout.steps:
                solution = Response(steps=rollout.steps, finished=rollout.finished)
                pairs.append((prefix.prompt, solution))
    return pairs


def _empty(records: Sequence[Record], rollouts: Rollouts, samples: int) -> int:
    """Count the solutions sampled of prompts that have no text."""
    prompts = [record for record in records if isinstance(record, Prompt)]
    rows = [rollouts.of(Prefix(prompt), samples) for prompt in prompts]
    return sum(not sample.steps for row in rows for sample in row)


def _result(
    out: Path, labels: list[RolloutLabels], rollouts: Rollouts, labeller: Labeller, empty: int
) -> Labels:
    """Say what the rollouts came to. Raises where there is nothing to write."""
    became = outcomes(labels, rollouts)
    if not labels or not became.rollouts:
        _refuse_nothing(labels, rollouts)
    prior = None
    if isinstance(labeller, Adaptive):
        prior = prior_check(labeller, [(r.prompt, r.response) for r in labels], rollouts)
    notes = problems(became, rollouts.sampling.max_tokens)
    notes += [prior.sentence()] if prior and prior.fails else []
    notes += shares(became)
    notes += [prior.sentence()] if prior and not prior.fails else []
    if empty:
        notes.append(f"{empty:,} sampled solutions were empty, and are left out")
    return Labels(
        out=out, records=labels, outcomes=became, cost=rollouts.cost, prior=prior, notes=notes
    )


def _written(made: Labels, run: Run) -> Labels:
    """Write the labels, the numbers and the page."""
    from assay.pages.evaluation import run_section
    from assay.pages.solutions import labels_headline, solutions_section
    from assay.report.html import Bullets, KeyValues, Section

    io.write(made.records, run.path(LABELS))
    run.note(**made.to_json())

    def sections() -> list[Section]:
        first = [line[0].upper() + line[1:] for line in made.notes]
        return [
            Section("What the rollouts came to", [labels_headline(made.records), Bullets(first)]),
            solutions_section(made.records),
            Section("Cost", [KeyValues(made.summary())]),
            run_section(run.body),
        ]

    run.page(f"Step labels of {made.out.name}", sections)
    return dataclasses.replace(made, written=run.written())


def _records(
    data: Data,
    format: str | None,
    limit: int | None,
    set_aside: Path | None,
    *,
    by_prompt: bool,
) -> list[Record]:
    """The records to label; those without a reference answer are refused before anything is paid
    for, or set aside. by_prompt: the limit is of prompts, whatever solutions there are."""
    name = str(data) if isinstance(data, (str, Path)) else "the data"
    source: Iterable[Record]
    if isinstance(data, (str, Path)):
        source = io.read(str(data), format=format, set_aside=set_aside)
    else:
        source = map(_record, data)
    records: list[Record] = []
    bare: list[tuple[int, Record]] = []
    prompts: set[str] = set()
    solutions = 0
    for number, record in enumerate(source, 1):
        used = len(prompts) if by_prompt else solutions
        room = None if limit is None else limit - used
        if room == 0:
            break
        if not has_reference(prompt_of(record)):
            bare.append((number, record))
            continue
        prompts.add(prompt_of(record).text)
        records.append(record if by_prompt else _first(record, room))
        solutions += max(1, len(responses_of(records[-1])))
    if bare and (set_aside is None or not records):
        number, record = bare[0]
        advice = ", or leave those records out: --set-aside FILE" if records else ""
        raise DataError(
            f"{name}: {len(bare):,} of {len(bare) + len(records):,} records have no reference"
            " answer, and rollouts cannot be checked without; the first is record"
            f" {number}, {prompt_of(record).text[:60]!r}. Give each prompt a reference{advice}"
        )
    if bare and set_aside is not None:
        _put_aside(bare, name, set_aside)
    if not records:
        raise DataError(f"{name} holds no record; give prompts, or solutions")
    return records


def _record(given: Any) -> Any:
    """The record; as for `assay.rl`, a text is a prompt."""
    return Prompt.of(given) if isinstance(given, str) else given


def _first(record: Record, count: int | None) -> Record:
    """The record with so many of its responses at most."""
    if count is None or len(responses_of(record)) <= count:
        return record
    return subset(as_group(record), range(count))


def _put_aside(bare: Sequence[tuple[int, Record]], name: str, set_aside: Path) -> None:
    """Append records without a reference answer to the file for malformed rows."""
    set_aside.parent.mkdir(parents=True, exist_ok=True)
    with set_aside.open("a", encoding="ascii") as file:
        for number, record in bare:
            row = {"where": f"{name}, record {number}", "error": "no reference answer"}
            file.write(json.dumps(row | {"raw": record.model_dump_json()}) + "\n")
    print(
        f"{len(bare):,} records without a reference answer are set aside in {set_aside}",
        file=sys.stderr,
    )


def _refuse_nothing(labels: Sequence[StepLabels], rollouts: Rollouts) -> None:
    """Raise where the policy gave nothing to write; what was paid for is in the ledger."""
    cost = rollouts.cost
    used = cost.rollouts + cost.known
    if failed := cost.failed:
        reason, count = failed.most_common(1)[0]
        had = "no rollout was had from the policy"
        again = ""
        if used:
            had = f"the {used:,} rollouts that were had make no label"
            again = ": those that were had are in the ledger, and are not paid for again"
        raise BackendError(
            f"{had}: {sum(failed.values()):,} prefixes got none, {count:,} of them: {reason}. No"
            f" label was written; see to it, then run this again{again}"
        )
    if not labels:
        raise DataError(
            f"there is no solution to label: of {used:,} rollouts from the prompts on,"
            f" {cost.cut_off:,} were cut off at {rollouts.sampling.max_tokens:,} tokens and"
            f" {cost.undecided:,} could not be judged; the others are empty, or are right or wrong"
            " throughout, and a tree search needs prompts that are neither. Nothing was written"
        )


def agreed(first: str | Path, second: str | Path | Scorer, out: str | Path) -> str:
    """Write the solutions whose first wrong step two labellers put in the same place; return the
    counts in a line.

    second: a file of labels, or a scorer of steps that labels the first one's solutions, such as a
    critic (steps:ANSWERER).
    """
    mine = step_labels(first)
    kept, found = consensus(mine, _others(second, mine))
    io.write(kept, Path(out))
    return (
        f"{out}: {found.agree:,} solutions on which both agree; {found.disagree:,} on which they do"
        f" not, {found.open:,} whose first wrong step one leaves open, {found.alone:,} that"
        f" {second if isinstance(second, str | Path) else 'the second'} does not have"
    )


def _others(second: str | Path | Scorer, mine: Sequence[StepLabels]) -> list[StepLabels]:
    """The second labeller's labels: a file's, or those that a scorer gives now."""
    if isinstance(second, str) and second.startswith(CRITIC) and not Path(second).exists():
        second = open_scorer(second, "auto", "auto", "saved", 8192)
    if isinstance(second, str | Path):
        return step_labels(second)
    return labelled(mine, in_parts(second, as_groups(mine), 32))


def step_labels(source: str | Path) -> list[StepLabels]:
    """The records of a file, all of them step labels."""
    records = []
    for record in io.read(str(source)):
        if not isinstance(record, StepLabels):
            raise DataError(f"{source} holds a {type(record).__name__}; give labelled steps")
        records.append(record)
    return records
