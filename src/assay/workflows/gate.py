"""May this judge score? Measure it against what people say, and look again before it is used."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from assay.audit.drift import Drift, drift
from assay.audit.gate import By, Gate, Known, Rule, read_gate, refusals, write_gate
from assay.audit.gating import make
from assay.audit.human import Case, read_labels
from assay.errors import ConfigError
from assay.fingerprint import fingerprint
from assay.protocols import Judge, Scorer
from assay.runs.journal import Journal
from assay.specs.answerers import Asking
from assay.specs.compute import Weights
from assay.workflows._data import Data, name_of
from assay.workflows.audit import open_reward

__all__ = ["GateCheck", "admitted", "check_gate", "gate", "refuse_idle"]

FRESH: Final = timedelta(days=7)
"""Age up to which a check for drift stands."""
ADAPTERS: Final = "assay.judges.adapters"


def gate(
    labels: Data | Sequence[Case],
    judge: str | Judge | Scorer,
    *,
    out: str | Path | None = None,
    floor: float = 0.85,
    rule: Rule = "lower",
    threshold: float | None = None,
    by: By = "human",
    blind: Known = "unknown",
    days: int = 90,
    anchors: int = 40,
    format: str | None = None,
    micro_tokens: int = 8192,
    dtype: str | None = "auto",
    weights: Weights = "saved",
    device: str = "auto",
    seed: int = 0,
) -> Gate:
    """Hold a judge against labels, and write its gate, open or closed.

    labels: rows of prompt, response or responses, and verdict, or records with labels
    (docs/explain/gate.md), or a list of cases. judge: a word or an object. out: file for the gate.
    The rest is as in `audit.gating.make`.
    """
    cases = [one for one in labels if isinstance(one, Case)] if isinstance(labels, list) else []
    if not cases:
        cases = read_labels(cast(Data, labels), format=format)
    found = make(
        open_reward(
            judge, Asking(device=device, dtype=dtype, weights=weights, micro_tokens=micro_tokens)
        ),
        cases,
        word=judge if isinstance(judge, str) else type(judge).__name__,
        floor=floor,
        rule=rule,
        threshold=threshold,
        by=by,
        blind=blind,
        source=name_of(cast(Data, labels)),
        days=days,
        anchors=anchors,
        seed=seed,
    )
    if out is not None:
        write_gate(found, out)
    return found


@dataclass(frozen=True, kw_only=True)
class GateCheck:
    """Whether a judge may still score by its gate."""

    reasons: tuple[str, ...]
    """Why not; none = it may."""
    drift: Drift | None = None
    """What its anchors showed; None where it was refused before any was asked."""

    def __str__(self) -> str:
        """Return what the anchors showed, and the verdict."""
        shown = [] if self.drift is None else [str(self.drift)]
        return "\n".join([*shown, f"closed: {'; '.join(self.reasons)}" if self.reasons else "open"])


def check_gate(
    path: str | Path,
    judge: str | Judge | Scorer,
    *,
    update: bool = False,
    micro_tokens: int = 8192,
    dtype: str | None = "auto",
    weights: Weights = "saved",
    device: str = "auto",
) -> GateCheck:
    """Check a judge against its gate, and ask the anchors again.

    update: append what they showed to the log beside the gate, GATE.checks.jsonl. Raises
    `DataError` for a file that is no gate or was changed.
    """
    kept = read_gate(path)
    opened = open_reward(
        judge, Asking(device=device, dtype=dtype, weights=weights, micro_tokens=micro_tokens)
    )
    if refused := refusals(kept, opened):
        return GateCheck(reasons=tuple(refused))
    seen = drift(kept, opened)
    if update:
        _append(path, kept, seen)
    return GateCheck(reasons=seen.reasons, drift=seen)


def admitted(
    gates: Sequence[str | Path], scorers: Mapping[str, Any], *, idle: bool = False
) -> dict[str, dict[str, str]]:
    """Return by what gate each judge among scorers may score, as "gates" for `run.json`; "ungated"
    without; nothing where no scorer is a judge.

    Where gates are given every judge needs one, and every gate a judge, unless idle ones are
    allowed: it is read, compared, and its anchors are asked unless its log has a check of less than
    a week. Raises `ConfigError` for a judge that may not score.
    """
    opened = {Path(path): read_gate(path) for path in gates}
    names = {one.judge.fingerprint: path for path, one in opened.items()}
    found: dict[str, str] = {}
    for name, scorer in scorers.items():
        for judge in _judges(scorer, names):
            if not opened:
                found[name] = "ungated"
                continue
            path = names.get(fingerprint(judge), next(iter(opened)))
            if refused := refusals(opened[path], judge):
                raise ConfigError(f"{name} may not score by {path}: {'; '.join(refused)}")
            _look_again(path, opened[path], judge)
            found[name] = f"{path} ({opened[path].sha256[:12]})"
    if not idle:
        refuse_idle(gates, found)
    return {"gates": found} if found else {}


def refuse_idle(gates: Sequence[str | Path], found: Mapping[str, str]) -> None:
    """Raise `ConfigError` for a gate by which no judge was admitted."""
    for path in gates:
        if not any(one.startswith(f"{path} (") for one in found.values()):
            raise ConfigError(
                f"{path} is bound to {read_gate(path).judge.word}, and nothing here is that judge;"
                " leave the gate out"
            )


def _judges(thing: Any, gated: Mapping[str, Path]) -> Iterator[Any]:
    """Yield the judges that a scorer is made of, and whatever else has a gate."""
    module = type(thing).__module__
    own = isinstance(thing, Judge) and not module.startswith("assay.")
    asks = module.startswith("assay.judges.") and module != ADAPTERS
    if own or asks or (gated and fingerprint(thing) in gated):
        yield thing
        return
    members = getattr(thing, "members", None)
    inner = [getattr(thing, "scorer", None), getattr(thing, "judge", None)]
    for one in [*inner, *(members.values() if isinstance(members, Mapping) else members or ())]:
        if isinstance(one, (Judge, Scorer)):
            yield from _judges(one, gated)


def _look_again(path: Path, kept: Gate, judge: Any) -> None:
    """Ask the anchors unless that was done of late. Raises `ConfigError` where the judge drifts."""
    rows: list[dict[str, Any]] = []
    if _log(path).is_file():
        with closing(Journal(_log(path), rows.append)):
            pass
    rows = [row for row in rows if row.get("gate") == kept.sha256]
    reasons = rows[-1]["reasons"] if rows else ()
    age = datetime.now(UTC) - datetime.fromisoformat(rows[-1]["time"]) if rows else FRESH
    if not timedelta() <= age < FRESH:
        seen = drift(kept, judge)
        _append(path, kept, seen)
        reasons = seen.reasons
    if reasons:
        raise ConfigError(f"the judge of {path} has drifted: {'; '.join(reasons)}")


def _append(path: str | Path, kept: Gate, seen: Drift) -> None:
    row = {
        "gate": kept.sha256,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "reasons": list(seen.reasons),
        "anchors": seen.n,
        "changed": seen.changed,
        "noise": seen.noise,
        "agreement": seen.agreement.to_json(),
        "value": seen.value.to_json(),
    }
    with closing(Journal(_log(Path(path)), lambda _: None)) as log:
        log.append(row)


def _log(path: Path) -> Path:
    return path.with_suffix(".checks.jsonl")
