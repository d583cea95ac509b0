"""The results of this package in sentences, for reports and the console.

Numbers stand in the other modules; here is all the prose about them. A sentence never claims more
than the intervals allow: "surely" means that an interval lies on one side.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from assay.stats import Estimate
from assay.stats.numbers import beside, cells, fixed, interval, interval_of, number

if TYPE_CHECKING:
    from assay.overopt.falls import Fall
    from assay.overopt.fit import Fit
    from assay.overopt.goodhart import Diagnosis, Kind, TailIndex
    from assay.overopt.hedge import Hedge
    from assay.overopt.runs import Arm
    from assay.overopt.stop import Stop
    from assay.overopt.study import Study
    from assay.overopt.sweep import Point

__all__ = [
    "arm_verdict",
    "diagnosis_words",
    "fit_line",
    "fit_words",
    "hedge_words",
    "point_name",
    "stop_words",
    "study_verdict",
    "study_warnings",
    "tail_words",
]

GOOD: Final = 0.9
"""Share of the variance that a form has to explain before its peak is reported without a doubt."""

MANY: Final = 100_000
"""Gold labels beyond which their number no longer matters."""
LARGEST: Final = 1e6
"""Largest n that is named: nobody samples so many."""


def arm_verdict(one: "Arm") -> str:
    """Summarise the runs of one variant: over-optimized or not, the peak of gold, and its end."""
    over = f"over {len(one.runs)} runs" if len(one.runs) > 1 else "in one run"
    steps = one.runs[0].steps_L
    if len(steps) < 2:
        return (
            f"{one.name}: gold was measured once, at {beside(one.start)}, so nothing can be"
            " said of its course."
        )
    if np.ptp(np.stack([run.values_L("gold") for run in one.runs]), axis=1).max() == 0:
        return (
            f"{one.name}: gold is the same at every evaluation, {beside(one.start)}: nothing"
            " to measure."
        )
    kl = f"KL {number(one.kl_at_peak.value)} nats"
    top = (
        f"gold is highest after {one.peak_step} rounds ({kl}): {beside(one.peak)}, from"
        f" {beside(one.start)}"
    )
    if one.peak_step == steps[0]:
        top = (
            f"gold is highest before the first round, at {beside(one.start)}: training did not"
            " raise it"
        )
    ends = f"it ends at {beside(one.end)}"
    if one.fell and one.peak_step == steps[0]:
        falls = f"{one.name}: gold falls from the start {over}, and no training pays"
        return f"{falls}. {top[0].upper()}{top[1:]}; {ends}."
    if one.over_optimized:
        return (
            f"{one.name}: over-optimized {over}. {top[0].upper()}{top[1:]}; {ends} while the"
            f" proxy keeps rising (KL {number(one.kl_at_end.value)})."
        )
    if one.peak_step == steps[-1] and one.fell:
        back = f"{one.name}: gold surely fell on the way, and came back, {over}"
        return f"{back}. {top[0].upper()}{top[1:]}, at the end."
    if one.peak_step == steps[-1]:
        return (
            f"{one.name}: no sign of over-optimization {over}. {top[0].upper()}{top[1:]}, at"
            " the end."
        )
    if one.fell:
        how = "gold surely fell, though the proxy is not seen to rise"
    else:
        how = "it is not certain that gold fell" if one.fall.value > 0 else "gold did not fall"
    return f"{one.name}: {how} {over}. {top[0].upper()}{top[1:]}; {ends}."


def study_verdict(study: "Study") -> str:
    """Recommend how hard to select, in plain words."""
    if study.constant_gold:
        return (
            f"{study.gold} is the same for all responses to a prompt, so there is nothing to"
            " measure: no choice among them gains or loses any of it."
        )
    if study.constant:
        return (
            f"{study.proxy} scores all responses to a prompt alike, so it cannot choose among"
            " them: the best of n is worth what any one response is, whatever n."
        )
    top = study.top
    if top is None:
        return f"Nothing can be said of {study.proxy}: no n has a value."
    if study.stop is None:
        return (
            f"Where to stop is not known. On these prompts {study.gold} is highest at"
            f" {point_name(top)}, with {number(top.gold_mean.value)}; these pools do not"
            " show how sure that is."
        )
    sentences = (
        _advice(study, study.stop, top),
        _beyond(study, study.stop),
        _small_pools(study),
    )
    return " ".join(filter(None, sentences))


def _advice(study: "Study", stop: "Stop", top: "Point") -> str:
    at = study.points[stop.index]
    if at.kl == 0 and len(study.used) > 1:
        if stop.sure:
            return (
                f"Do not select by {study.proxy}: {study.gold} falls from the start, and no"
                " optimisation by it pays."
            )
        return (
            f"Nothing shows that selecting by {study.proxy} pays: {study.gold} looks lower than"
            " that of a single response whatever n, though not surely."
        )
    gain = "" if study.gain is None else _signed(study.gain)
    worth = f"that is worth {gain} in {study.gold} over a single response"
    if study.gain is not None and study.gain.high < 0:
        return (
            f"Do not select by {study.proxy}: the best of {point_name(at)} is surely worse, {gain}"
            f" in {study.gold}."
        )
    if study.gain is not None and study.gain.low <= 0:
        how = (
            "makes no difference that can be seen: the"
            if stop.at_end
            else "gains nothing that can be seen: even the"
        )
        return (
            f"Choosing by {study.proxy} {how} best of {point_name(at)} is worth {gain} in"
            f" {study.gold} over a single response."
        )
    near = "" if top is at else f" ({study.gold} is highest near {point_name(top)})"
    if not stop.at_end:
        much = "at most" if stop.sure else "about"
        return f"Choose the best of {much} {point_name(at)}{near}: {worth}."
    if _worth_a_word(study, stop):
        return f"Choose the best of up to {point_name(at)}{near}: {worth}."
    end = "These data end there; beyond it they say nothing."
    if study.points[-1] is not at:
        end = "These pools say little of larger n."
    return (
        f"Choose the best of up to {point_name(at)}{near}: {worth} and nothing says to stop"
        f" earlier. {end}"
    )


def _worth_a_word(study: "Study", stop: "Stop") -> bool:
    """True for a fall that is sure, or larger than epsilon."""
    return stop.fall is not None and (stop.fall.sure or stop.fall.loss.value > study.epsilon)


def _beyond(study: "Study", stop: "Stop") -> str:
    if stop.fall is None or not _worth_a_word(study, stop):
        return ""
    fall, start, end = stop.fall, study.points[stop.fall.start], study.points[stop.fall.end]
    lost = beside(fall.loss)
    few = "" if end.trusted or study.hint else ", on few responses per prompt (n > N/8)"
    some = fall.loss.n < max(p.gold_mean.n for p in study.points)
    over = f", over the {fall.loss.n:,} prompts that have so many" if some else ""
    if not fall.sure:
        return (
            f"By {point_name(end)} {study.gold} is {lost} lower than at"
            f" {point_name(start)}{over}{few}: a fall that is not certain, so harder"
            " selection is a risk without a prospect."
        )
    if stop.kl == 0:
        return (
            f"From one response to {point_name(end)} {study.gold} surely loses {lost}{over}{few}."
        )
    climbs = end.proxy_mean.low > start.proxy_mean.high
    return (
        f"Beyond it {study.gold} falls{f' while {study.proxy} keeps rising' if climbs else ''}:"
        f" from {point_name(start)} to {point_name(end)} it surely loses {lost}{over}{few}. That is"
        " over-optimization."
    )


def _small_pools(study: "Study") -> str:
    if not study.hint:
        return ""
    return (
        "The pools are small for these n (n > N/8), so take it for a hint and sample more"
        " responses per prompt."
    )


def study_warnings(study: "Study") -> list[str]:
    """Warn of heavy tails, opposed scores, duplicates and ties."""
    warnings = []
    if study.tail is not None and study.tail.heavy:
        warnings.append(f"Heavy tail of {study.proxy}: {tail_words(study.tail)}.")
    if study.correlation is not None and study.correlation.low <= 0:
        c = study.correlation
        how = "are surely opposed" if c.high < 0 else "are not seen to rise together"
        warnings.append(
            f"{study.proxy} and {study.gold} {how} within prompts: correlation {beside(c)}."
        )
    if (share := next((p.dup_rate for p in study.points if p.dup_rate), None)) is not None:
        warnings.append(f"{share:.0%} of the responses repeat another one to their prompt.")
    if (
        not study.constant
        and (share := next((p.tie_rate for p in study.points if p.tie_rate), 0.0)) > 0.01
    ):
        warnings.append(
            f"{share:.0%} of the responses tie with another one in {study.proxy}; ties are"
            " broken by lot."
        )
    return warnings


def point_name(point: "Point") -> str:
    """The name of a point: its n, or its KL without one."""
    return f"n = {point.n:,}" if point.n is not None else f"KL {number(point.kl)} nats"


def fit_words(fit: "Fit") -> str:
    """Describe the peak of a fit, and whether the data show it."""
    from assay.overopt.fit import value
    from assay.overopt.kl import best_of_n_from_kl

    edges = value(fit.form, fit.alpha.value, fit.beta.value, [fit.d_min, fit.d_max])
    if fit.alpha.value <= 0 and (edges < 0).all():
        how = "so no optimisation pays" if fit.alpha.high < 0 else "though not surely"
        return f"no peak: the curve falls from the start, {how} (alpha = {number(fit.alpha.value)})"
    if fit.peak is None:
        return f"no peak: the fitted form does not turn down (beta = {number(fit.beta.value)})"
    p = fit.peak
    where = f"d = {beside(p.d)}, KL {number(p.kl.value)} nats"
    if fit.form == "best_of_n":
        where += f", {_size(float(best_of_n_from_kl(p.kl.value)))}"
    if p.in_range:
        # Intervals are about prompts and runs, not about the form: one that misses its points
        # misses its peak, too.
        poor = (
            f"; the form fits poorly (R2 {fixed(fit.r2.value)}): go by the highest point that"
            " was measured"
        )
        gold = f"peak at {where}: gold {beside(p.value)} above the start"
        return gold + poor * (fit.r2.value < GOOD)
    side = "beyond" if p.d.value > fit.d_max else "before"
    return (
        f"no peak in the data, which span d = {number(fit.d_min)} to {number(fit.d_max)}; "
        f"the form would put it {side} them, at {where}, which is an extrapolation"
    )


def fit_line(fit: "Fit") -> str:
    """List the coefficients with their intervals, and `fit_words`."""
    a, b = beside(fit.alpha), beside(fit.beta)
    form = {"best_of_n": "best-of-n", "rl": "RL"}[fit.form]
    r2 = fixed(fit.r2.value)
    return f"fit by the form of {form}: alpha {a}, beta {b}, R2 {r2}; {fit_words(fit)}"


def hedge_words(hedge: "Hedge") -> str:
    """Recommend a strength of selection."""
    name = {"best_of_n": "n", "best_of_poisson": "mu", "tilt": "lambda", "soft": "strength"}[
        hedge.method
    ]
    s, g = hedge.strength, hedge.gain
    gain = f"gold {_signed(g)} against no selection"
    if hedge.at_end:
        return (
            f"{hedge.method}: gold still rises at {name} = {number(s.value)}, the strongest"
            f" tried; {gain}"
        )
    if g.value <= 0:
        return f"{hedge.method}: do not select by this proxy; every strength tried lowers gold"
    return f"{hedge.method}: {name} = {number(s.value)} {interval(s)}; {gain}"


def diagnosis_words(diagnosis: "Diagnosis") -> str:
    """Describe the kind of Goodhart and its slopes."""
    a, b = beside(diagnosis.above), beside(diagnosis.below)
    where = (
        f"slope of gold on the proxy: {b} below the proxy's {diagnosis.quantile:g} quantile, {a}"
        " above it"
    )
    return f"{where}; {_MEANING[diagnosis.kind]}"


_MEANING: Final["dict[Kind, str]"] = {
    "regressional": (
        "regressional: gold rises with the proxy up to its highest values, if less than the proxy"
        " does"
    ),
    "weakening": "the proxy means less where it is highest, though gold is not seen to fall",
    "extremal": "extremal: where the proxy is highest, gold falls as it rises; select less hard",
    "opposed": (
        "the proxy is surely opposed to gold: the higher it is, the lower gold; do not select by it"
    ),
    "useless": "the proxy says next to nothing about gold, high or low",
    "unclear": "too few prompts or gold labels to tell",
}


def tail_words(tail: "TailIndex") -> str:
    """Describe the upper tail of a proxy."""
    i, e = tail.index, tail.extreme_value
    line = (
        f"tail index {beside(i)} from the {tail.k} largest of {i.n:,}; "
        f"extreme-value index {beside(e)}"
    )
    if not tail.heavy:
        return f"{line}: no sign of a heavy tail"
    return (
        f"{line}: a heavy tail, so selection can find proxy without gold at next to no KL, and"
        " a KL penalty does not prevent it (catastrophic Goodhart); clip the proxy, or bound"
        " the chi-squared divergence instead"
    )


def stop_words(
    stop: "Stop", names: Sequence[str], following: tuple[str, Estimate] | None, unit: str
) -> str:
    """Recommend where to stop.

    names: of all points. following: name and loss of the point after the stop; None at the last.
    unit: what the rows of gold are, such as "prompts with gold".
    """
    at = names[stop.index]
    gold = f"gold {beside(stop.gold)}"
    fallen = "" if stop.fall is None else _fallen(stop.fall, names)
    if following is None:
        if stop.fall is not None and (stop.sure or stop.fall.loss.value > stop.epsilon):
            return f"The last point that counts is {at}: {gold}. {fallen}."
        return (
            f"Nothing says to stop up to {at}, the last point that counts: {gold}. Beyond it the"
            " data say nothing."
        )
    name, after = following
    high = (
        ""
        if not stop.loss.high > 0
        else f", at most {number(stop.loss.high)} below the best so far"
    )
    lost = f"the next point, {name}, loses {beside(after)} of the best so far"
    if math.isnan(after.low):
        return f"{_capital(lost)}; differences that do not vary say nothing for certain. {fallen}."
    if stop.settled:
        return (
            f"Stop at {at}: {gold}{high} (a loss of up to {stop.epsilon:.2g}, epsilon,"
            f" counts as none). {_capital(lost)}, surely more. {fallen}."
        )
    more = _count(stop, unit if stop.rule == "paired" else "gold labels")
    if stop.sure:
        return f"Stop at {at}: {gold}{high}. {fallen}. {_capital(lost)}: {more}."
    return (
        f"Nothing says for certain to stop, but gold looks highest up to {at}: {gold}."
        f" {_capital(lost)}: {more}."
    )


def _fallen(fall: "Fall", names: Sequence[str]) -> str:
    lost = beside(fall.loss)
    if fall.sure:
        return f"Gold surely falls from {names[fall.start]} to {names[fall.end]}, by {lost}"
    return (
        f"Gold is lower at {names[fall.end]} than at {names[fall.start]}, by {lost}, which is not"
        " certain"
    )


def _count(stop: "Stop", unit: str) -> str:
    let = f"epsilon ({stop.epsilon:.2g}, a loss that counts as none)"
    if stop.more_prompts is None or stop.more_labels is None:
        return f"too close to {let} to be settled by more gold labels"
    if stop.more_labels > MANY:
        return f"not certain to be more than {let}; it would take more than {MANY:,} gold labels"
    cost = "" if stop.more_labels == stop.more_prompts else f" ({stop.more_labels:,} gold labels)"
    more = f"about {stop.more_prompts:,} more {unit}{cost} would settle it"
    return f"not certain to be more than {let}; {more}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _size(n: float) -> str:
    return f"n about {number(n)}" if n <= LARGEST else f"n above {LARGEST:,.0f}"


def _signed(estimate: Estimate) -> str:
    """A difference and its interval, with signs, in decimals that suit all three."""
    value, low, high = cells(estimate, sign=True)
    if interval_of(estimate).startswith("["):
        return f"{value} [{low}, {high}]"
    return f"{value} {interval_of(estimate)}"
