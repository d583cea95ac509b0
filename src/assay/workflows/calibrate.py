"""Fit the temperatures of a saved model's probabilities on labelled records, and keep them beside
its weights."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from assay.data.decisions import Decisions, read_decisions
from assay.data.records import as_groups, cluster_key
from assay.errors import ConfigError, DataError
from assay.evaluation.temperature import Rescaled, rescaled
from assay.fingerprint import fingerprint
from assay.questions import Distribution
from assay.runs.settings import finite
from assay.specs.words import Word, parse
from assay.types import Preference, Score, StepLabels, Unscored
from assay.workflows._data import Data, read

if TYPE_CHECKING:
    from assay.scorers.local import LocalScorer

__all__ = ["Calibrated", "calibrate"]

LEAST: Final = 1e-9
"""Probability below which a logit is no further down."""


class _Row(NamedTuple):
    """What one temperature divides, with its gold."""

    of: str
    logits: tuple[float, ...] | None
    """None where it is unscored."""
    gold: tuple[float, ...]
    key: Any
    """The prompt's."""


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """The temperatures of a model, by what they divide."""

    path: Path
    fits: Mapping[str, Rescaled]
    note: str = ""
    """What else changes."""

    def __str__(self) -> str:
        """Every temperature, and each metric before and after it."""
        lines = []
        for what, fit in self.fits.items():
            t = fit.temperature
            lines.append(
                f"{what}: temperature {t:.4g} from {fit.rows:,} rows of {t.n:,} prompts,"
                f" {t.unscored:,} unscored"
            )
            for name, before in fit.before.items():
                less = f", less by {fit.gain[name]:.4f}" if name in fit.gain else ""
                lines.append(f"  {name:<5} {before:.4f} -> {fit.after[name]:.4f}{less}")
        return "\n".join(filter(None, [*lines, self.note, f"wrote {self.path}"]))


def calibrate(
    model: str | Path, data: Data, *, format: str | None = None, device: str = "auto"
) -> Calibrated:
    """Fit a temperature by likelihood and write `calibration.json` beside the model.

    model: a folder, or, of a language model, a folder with the settings of its answers behind it.
    Of a reward model whose scores are logits, pairs: P(preferred) = sigmoid(difference / T). Of one
    whose scores are probabilities, labels of outcomes or steps: sigmoid(logit / T). Of a language
    model, typed questions: softmax(logits / T), one T per kind of question. What is reported is of
    prompts that each T was not fitted on. Raises `ConfigError` for a model that is no saved folder
    or other records than these, `DataError` where no temperature fits.
    """
    from assay.models.calibration import Fitted, write_calibration
    from assay.models.checkpoint import MANIFEST

    word = parse(str(model))
    folder = Path(word.plain)
    if (folder / MANIFEST).is_file():
        records: Sequence[Any] = read(data, format, None)
        rows = [*_of_scores(folder, records, device)]
    elif (folder / "config.json").is_file() or (folder / "adapter_config.json").is_file():
        records = read_decisions(str(data)) if isinstance(data, (str, Path)) else [*data]
        rows = [*_of_answers(word, records, device)]
    else:
        raise ConfigError(
            f"{model} is no saved model's folder; `assay models import` makes one of a published"
            " reward model"
        )
    if not rows:
        raise DataError(f"none of {len(records)} records has a label to calibrate on")
    fits = {
        of: _fit([row for row in rows if row.of == of]) for of in dict.fromkeys(r.of for r in rows)
    }
    name = fingerprint([*records])
    fitted = {
        of: Fitted(
            temperature=fit.temperature.value, data=name, measured=finite(dataclasses.asdict(fit))
        )
        for of, fit in fits.items()
    }
    return Calibrated(path=write_calibration(folder, fitted), fits=fits, note=_note(folder, fits))


def _note(folder: Path, fits: Mapping[str, Rescaled]) -> str:
    """Say where a temperature changes the order of responses."""
    from assay.models.checkpoint import read_manifest

    how = read_manifest(folder).readout.aggregate if "step" in fits else "last"
    if how in ("last", "min"):
        return ""
    return (
        f"a response's score is made of its steps' probabilities ({how}), so that the order of"
        " responses may change, too; calibration=none behind the word keeps it"
    )


def _fit(rows: Sequence[_Row]) -> Rescaled:
    there = [(row.logits, row.gold) for row in rows if row.logits is not None]
    width = max((len(gold) for _, gold in there), default=2)
    logits, gold = np.full((len(there), width), -np.inf), np.zeros((len(there), width))
    for i, (values, shares) in enumerate(there):
        logits[i, : len(values)], gold[i, : len(shares)] = values, shares
    keys = [row.key for row in rows if row.logits is not None]
    return rescaled(logits, gold, clusters=keys, unscored=len(rows) - len(there))


def _of_scores(folder: Path, records: Sequence[Any], device: str) -> list[_Row]:
    """The rows of a reward model, whose own temperature is left out."""
    from assay.models.checkpoint import load
    from assay.models.device import device_of
    from assay.scorers.local import LocalScorer

    scorer = LocalScorer(load(folder, device=device_of(device), calibrated=False))
    kinds = {type(record) for record in records}
    if scorer.readout.link == "identity" and kinds == {Preference}:
        return [*_pairs(scorer, records)]
    outcomes = kinds == {StepLabels} and all(
        label is None for record in records for label in record.labels[:-1]
    )
    whole = scorer.readout.aggregate == "last"
    if scorer.readout.link == "sigmoid" and kinds == {StepLabels} and (whole or not outcomes):
        return [*_steps(scorer, records, outcomes)]
    wanted = "labels of outcomes or steps" if whole else "labels of steps"
    if scorer.readout.link == "identity":
        wanted = "preferences"
    raise ConfigError(f"{folder} cannot be calibrated on these records; give {wanted}")


def _pairs(scorer: "LocalScorer", records: Sequence[Preference]) -> Iterator[_Row]:
    """Differences of two scores, of the pairs that prefer one."""
    decided = [record for record in records if record.prefer != 0.5]
    for record, (a, b) in zip(decided, scorer.score(as_groups(decided)), strict=True):
        gap = None
        if isinstance(a, Score) and isinstance(b, Score):
            gap = (a.value - b.value, 0.0)
        yield _Row("pair", gap, (record.prefer, 1 - record.prefer), cluster_key(record))


def _steps(scorer: "LocalScorer", records: Sequence[StepLabels], outcomes: bool) -> Iterator[_Row]:
    """The logits of labelled steps; of outcomes that of the response."""
    added = scorer.readout.steps == "difference" and not outcomes
    for record, (logits,) in zip(records, scorer.logits(as_groups(records)), strict=True):
        row = np.full(len(record.labels), np.nan) if isinstance(logits, Unscored) else logits
        values = np.diff(row, prepend=0.0) if added else np.asarray(row)
        for x, label in zip(values.tolist(), record.labels, strict=True):
            if label is not None:
                known = (x, 0.0) if math.isfinite(x) else None
                yield _Row("step", known, (label, 1 - label), cluster_key(record))


def _of_answers(word: Word, records: Sequence[Any], device: str) -> Iterator[_Row]:
    """The rows of a language model that answers typed questions, each by the question's kind."""
    from assay.specs.answerers import Asking, answerer_of

    if other := {"labels", "rotations", "reads"} & word.values.keys():
        raise ConfigError(
            f"{word.text!r}: temperatures are of a model's labels as it is asked for them by"
            f" default; leave out {', '.join(sorted(other))}"
        )
    states = [record for record in records if isinstance(record, Decisions)]
    plain = dataclasses.replace(word, settings=(*word.settings, ("calibration", "none")))
    asked = answerer_of(plain, Asking(device=device))
    found = asked.answer([one.prompt for one in states], [one.questions for one in states])
    for state, answers in zip(states, found, strict=True):
        for question, gold, answer in zip(state.questions, state.gold, answers, strict=True):
            if gold is not None:
                logs = None
                if isinstance(answer, Distribution):
                    logs = tuple(math.log(max(p, LEAST)) for p in answer.probabilities)
                yield _Row(question.kind, logs, gold.probabilities, cluster_key(state.prompt))
