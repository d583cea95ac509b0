"""`assay annotate POOL`: a page on which people label. Beside it: export, import, report, and who
may label."""

import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import tyro

from assay.cli.options import Aside, Format
from assay.data.parts import Part
from assay.data.splitting import SPLITTERS
from assay.errors import ConfigError, MissingExtra
from assay.specs.compute import Compute
from assay.specs.judges import GRAMMAR
from assay.specs.scorer_kinds import KINDS

__all__ = ["COMMANDS", "Command"]

PORT: Final = 8123

Pool = Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="POOL")]
Where = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="STORE")]
Out = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]


@dataclass(frozen=True, kw_only=True)
class Command(Compute):
    """Let people label a pool in their browser: pairs, rankings, steps, rubrics, questions.

    Nothing has to be set: `assay annotate pool.jsonl` makes a project in runs/annotate-pool, serves
    its page on this machine and prints the admin's link, which opens it. Ctrl-C ends it; the same
    command goes on. Two responses make a pair, up to nine a ranking, one is marked step by step, a
    rubric's criteria and typed questions are answered. Labels in the pool are not shown.

    `assay annotate export runs/annotate-pool labels.jsonl` writes what was said. Beside it: import,
    report, gate, invite, revoke, backup, restore, each with its --help
    (docs/explain/annotate.md). For example, three labels of each of the pairs by invited people:

    assay annotate pairs.jsonl --annotators 3 --per-item 3 --out runs/pairs
    """

    pool: Pool = None
    """Responses, in any layout that `assay data check` reads: file, folder or data set. Without it,
    the project of --out or --store is served as it is."""
    out: Path | None = None
    """Folder of the project, for labels.db and links.txt; by default runs/annotate-POOL."""
    store: str | None = None
    """File of the labels, or URL of PostgreSQL (extra `postgres`), instead of a folder."""
    kind: Literal["auto", "pair", "ranking", "steps", "questions"] = "auto"
    """What is asked; auto goes by each record."""
    mode: Literal["every-step", "first-error"] = "every-step"
    """How far steps are marked."""
    split: Annotated[
        str | None,
        tyro.conf.arg(metavar="POLICY", help=f"Where steps of texts end: {', '.join(SPLITTERS)}."),
    ] = None
    question: tuple[str, ...] = ()
    """Questions to each response, answered by yes, no or can't tell."""
    rubric: Path | None = None
    """File of a rubric, whose criteria are asked of each response."""
    gold: str | None = None
    """Records whose labels are known, mixed in to see how good annotators are."""
    gold_share: float | None = None
    """Share of an annotator's tasks that are gold; a tenth where there are any."""
    per_item: int = 1
    """Labels by different people that each item gets."""
    annotators: int = 0
    """Annotators to invite, whose links are printed."""
    choose: Literal["order", "random", "disagreement", "convincing", "information"] = "order"
    """What is labelled next."""
    scorers: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            metavar="WORD", help=f"Scorers for `disagreement` and `convincing`: {KINDS}."
        ),
    ] = ()
    rollouts: str | None = None
    """Labels of the same solutions by `assay label`: values beside the steps with --show-evidence,
    and what `information` starts from."""
    judge: Annotated[
        str | None, tyro.conf.arg(metavar="JUDGE", help=f"Judge to be gated: {GRAMMAR}.")
    ] = None
    gate: int = 50
    """Blind labels that the gate of --judge is to have."""
    show_evidence: bool = False
    """Display of values and machine suggestions, marked as such; by default nothing is shown."""
    show_reference: bool = False
    """Display of reference answers."""
    title: str = ""
    """Name of the project, on its page."""
    instructions: str = ""
    """Instructions for annotators: Markdown, or a file that ends in .md."""
    limit: int | None = None
    """Most records of the pool."""
    format: Format = None
    set_aside: Aside = None
    seed: int = 0
    """Seed of orders and draws."""
    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0 is every one of this machine."""
    port: int = PORT
    """Port to listen at; 0 takes a free one."""
    public_url: str = ""
    """Address at which browsers reach the page, behind a proxy with TLS."""

    def __call__(self) -> None:
        """Serve until Ctrl-C; what was answered as saved is on disk."""
        from assay.workflows.annotate import annotate
        from assay.workflows.annotate_labels import agreement_rows

        given = dict(vars(self))
        try:
            from assay.annotate_app.serve import serve
        except ModuleNotFoundError as error:
            # Other extras bring parts of it.
            raise MissingExtra(f"the labelling page ({error.name})", "annotate") from error

        where = {name: given.pop(name) for name in ("host", "port", "public_url")}
        given["questions"] = given.pop("question")
        made = annotate(given.pop("pool"), **given)
        print(made, flush=True)
        if "admin" not in made.tokens:
            print("the admin's link is not known here; `assay annotate invite` draws new links")
        agreement = partial(agreement_rows, made.store)
        # To be ended is how it ends; who manages services does it by SIGTERM.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            serve(made.store, tokens=made.tokens, quality=agreement, **where)
        done = made.store.progress().done
        made.store.close()
        print(f"{done} labels; `assay annotate export {made.where} FILE` writes them")


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write labels as records, with who said what and how in the column `annotation`.

    Several labels of an item become one: where somebody adjudicated, that; else by --decide. What
    has no label, is a tie in a layout without ties, or is both bad, is left out and counted.
    """

    store: Where
    """Folder, file or URL."""
    out: Out
    """File to write: .jsonl, .jsonl.gz, .json, .json.gz or .parquet."""
    to: Annotated[str, tyro.conf.arg(metavar="FORMAT")] = ""
    """Layout: one that `assay data` writes (assay, trl-preference, hh-rlhf, prm800k, ...); raw, a
    row per label; decisions, answers to questions; gate, verdicts for `assay audit gate`."""
    set_to: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")] = ()
    """Settings of the layout, e.g. separator=."""
    decide: Literal["auto", "votes", "majority", "dawid-skene"] = "auto"
    """What several labels become: their share, the most frequent, or Dawid and Skene's posterior;
    auto is shares in our layout and majorities in others."""
    neutral: Literal["auto", "positive", "negative", "ignore", "half"] = "auto"
    """What a neutral step becomes; auto is neutral in PRM800K's layout and right in others."""
    without: tuple[Part, ...] = ()
    """Parts left out of every record, where the layout has no place for them."""
    gold: bool = False
    """Export of gold items as well."""

    def __call__(self) -> None:
        """Write, and say what was left out."""
        from assay.workflows.annotate_labels import export_labels

        given = dict(vars(self))
        given["without_parts"] = given.pop("without")
        print(export_labels(given.pop("store"), given.pop("out"), **given))


@dataclass(frozen=True, kw_only=True)
class Import:
    """Bring labels of a file into a project, as those of annotators called import:NAME.

    The file holds rows of `export --to raw`, or any records with labels. The same file again
    changes nothing.
    """

    store: Where
    """Folder, file or URL."""
    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """File, folder or Hugging Face data set."""
    name: str = ""
    """Who labelled; by default the file's name."""
    format: Format = None
    mode: Literal["every-step", "first-error"] = "every-step"
    """How far steps were marked."""

    def __call__(self) -> None:
        """Bring them in, and say how many are new."""
        from assay.workflows.annotate_labels import import_labels

        given = dict(vars(self))
        print(import_labels(given.pop("source"), given.pop("store"), **given))


@dataclass(frozen=True, kw_only=True)
class Report:
    """Report how far annotators agree, how good they are, and what to do next."""

    store: Where
    """Folder, file or URL."""
    out: Path | None = None
    """File of the page; by default report.html beside the store."""

    def __call__(self) -> None:
        """Write the page."""
        from assay.workflows.annotate_labels import annotation_report

        print(f"wrote {annotation_report(self.store, self.out)}")


@dataclass(frozen=True, kw_only=True)
class Gate(Compute):
    """Hold the project's judge against its labels, and write gate.json: whether it may score.

    It is as `assay audit gate`, with each label weighed by the probability with which its item was
    chosen. Ends with 1 where the gate is closed.
    """

    store: Where
    """Folder, file or URL of a project that was made with --judge."""
    out: Path
    """File for the gate, which holds the texts of its anchors; a page of the same name is beside
    it."""
    partial: bool = False
    """Whether items may lack labels; those that have one then stand for them."""
    floor: float = 0.85
    """Least agreement."""
    rule: Literal["lower", "point"] = "lower"
    """What must reach the floor: the lower end of agreement's 95 % interval, or its value."""
    threshold: float | None = None
    """Least score of a response that means yes; without it 0.5, for scores in [0, 1]."""
    days: int = 90
    """Days until the gate expires."""
    anchors: int = 40
    """Labels that are kept in the gate, to be asked again."""
    seed: int = 0
    """Seed of the anchors and of the intervals."""

    def __call__(self) -> None:
        """Measure, write, print, and end with 1 where the gate is closed."""
        from assay.workflows.annotate import open_store
        from assay.workflows.annotate_gate import gate_from
        from assay.workflows.annotate_labels import annotation_report

        given = dict(vars(self))
        store = open_store(given.pop("store"))
        if not store.project.judge:
            raise ConfigError(f"{self.store} was made without --judge: there is no judge to gate")
        found = gate_from(store, store.project.judge, given.pop("out"), **given)
        page = annotation_report(store, self.out.with_suffix(".html"), gate=found)
        print(f"{found}\nwrote {self.out} and {page}")
        if not found.reasons:
            print(f"`--gate {self.out}` lets the judge score; `assay audit gate-check {self.out}"
                  f" --judge '{store.project.judge}'` asks later whether it still may")  # fmt: skip
        if found.reasons:
            print("assay annotate gate: the gate is closed", file=sys.stderr)
            raise SystemExit(1)


@dataclass(frozen=True, kw_only=True)
class Invite:
    """Invite somebody, and print their link: whoever has it labels in their name."""

    store: Where
    """Folder, file or URL."""
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """Name, which stays in the store; exports have a pseudonym."""
    role: Literal["annotator", "adjudicator", "admin"] = "annotator"
    """Adjudicators also decide where labels differ; admins also see the progress of all."""
    url: str = f"http://127.0.0.1:{PORT}"
    """Address at which browsers reach the page."""

    def __call__(self) -> None:
        """Print the link."""
        from assay.workflows.annotate import invite

        annotator, token = invite(self.store, self.name, self.role)
        print(f"{annotator.name} ({annotator.pseudonym}): {self.url.rstrip('/')}/i/{token}")


@dataclass(frozen=True, kw_only=True)
class Revoke:
    """Take an invitation back: its link opens nothing any more. The labels stay."""

    store: Where
    """Folder, file or URL."""
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """Name or pseudonym."""

    def __call__(self) -> None:
        """Revoke whoever has the name."""
        from assay.workflows.annotate import open_store

        store = open_store(self.store)
        active = [one for one in store.annotators() if one.active]
        found = [one for one in active if self.name in (one.name, one.pseudonym)]
        if len(found) != 1:
            who = ", ".join(f"{one.name} ({one.pseudonym})" for one in active)
            raise ConfigError(f"{len(found)} annotators are called {self.name!r}; there is {who}")
        store.revoke(found[0].id)
        print(f"{found[0].name} ({found[0].pseudonym}) can no longer label")


@dataclass(frozen=True, kw_only=True)
class Backup:
    """Write a project to one file, while others go on labelling.

    It holds names and the hashes of invitations, with which links still open it after a restore:
    keep it as you would keep the store.
    """

    store: Where
    """Folder, file or URL."""
    out: Out
    """File to write, such as labels.backup.gz."""

    def __call__(self) -> None:
        """Write it, whole or not at all."""
        from assay.workflows.annotate import open_store

        open_store(self.store).backup(self.out)
        print(f"wrote {self.out}")


@dataclass(frozen=True, kw_only=True)
class Restore:
    """Make a project from a backup, in another place than one that is there."""

    backup: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="BACKUP")]
    """File of a backup."""
    store: Where
    """Folder, file or URL to make."""

    def __call__(self) -> None:
        """Make it, and say what is in it."""
        from assay.annotate.store import Store
        from assay.workflows.annotate import store_at

        url = "://" in self.store or Path(self.store).suffix
        store = Store.restore(self.backup, self.store if url else Path(self.store) / "labels.db")
        print(f"{store_at(self.store)}: {len(store.tasks())} tasks, {len(store.given())} labels")


COMMANDS: Final[Mapping[str, Any]] = {
    "export": Export,
    "import": Import,
    "report": Report,
    "gate": Gate,
    "invite": Invite,
    "revoke": Revoke,
    "backup": Backup,
    "restore": Restore,
}
