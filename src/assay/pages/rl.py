"""What a policy became when it was trained against a reward: did it get better, or did it learn to
please the reward?

The policy is evaluated on held-out prompts now and then. The proxy is the reward that the policy
is paid in; gold is what the proxy stands for, best measured by something the policy is not paid in,
such as a verifier. What a report says is read from those evaluations alone, and "rose", "fell" and
"better" only where 95 % intervals do not touch.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from assay.errors import DataError
from assay.pages.evaluation import run_section
from assay.pages.examples import cut
from assay.pages.rl_parts import parts_section
from assay.pages.rl_plots import proxy_and_gold, reinforcement_curves
from assay.report.html import (
    Block,
    Bullets,
    Details,
    Figure,
    Headline,
    Paragraph,
    Section,
    Solution,
    Step,
    Table,
    Text,
)
from assay.runs.evaluations import (
    Course,
    EvalPoint,
    Row,
    apart,
    course,
    eval_of,
    eval_points,
    golds,
    known,
)
from assay.stats import Estimate
from assay.stats.numbers import beside

__all__ = [
    "alarms_of",
    "evaluations_table",
    "listed",
    "picture",
    "ranged",
    "reinforcement_report",
    "two_lines",
]

MOST: Final = 4
"""Prompts whose responses are shown."""
PICTURE: Final = (
    "The broken line is the proxy, the solid ones are gold; bands are 95 % intervals by {by}. KL"
    " says how far the policy has gone from the reference it began as. A ring marks gold's peak,"
    " which is picked on these same evaluation points and so flatters a little."
)


def reinforcement_report(
    run: Mapping[str, Any],
    rows: Sequence[Row],
    samples: Sequence[Row] = (),
    *,
    peak: int | None = None,
) -> list[Section]:
    """The sections of one run of reinforcement learning, what came out of it first.

    run: the body of `run.json`. rows: those of `metrics.jsonl`. samples: responses to held-out
    prompts at some steps.
    peak: the step taken for the peak of the first gold; None = where it is highest. Without gold
    there is no peak. Raises `DataError` without rows, and for a peak at which that gold was not
    measured.
    """
    if not rows:
        raise DataError("no rows; give those of the run's metrics.jsonl")
    seen = eval_points(rows)
    courses = _courses(seen, peak)
    top = courses[0].top.step if courses else None
    return [
        _result(rows, seen, courses, peak),
        *parts_section(rows, seen, top),
        _over_steps(rows, top),
        _samples(samples, top),
        run_section(run),
    ]


def _result(
    rows: Sequence[Row], seen: Sequence[EvalPoint], courses: Sequence[Course], peak: int | None
) -> Section:
    """What came out, in words, numbers and the picture."""
    if not seen:
        gone = (
            "The policy was never evaluated on held-out prompts, so only rewards of training are"
            " known. They cannot tell whether the policy got better: it is paid to make them rise."
        )
        return Section("What came out", [Paragraph(gone), *_alarm_blocks(rows)])
    blocks: list[Block] = []
    if courses:
        blocks += _with_gold(courses)
    else:
        blocks += _without_gold(seen)
    blocks += _alarm_blocks(rows)
    if courses or any(known(look.proxy) for look in seen):
        peaks = {"run": peak} if peak is not None else {}
        blocks.append(
            Figure(
                proxy_and_gold({"run": seen}, peaks=peaks),
                picture() if courses else _proxy_only(seen),
            )
        )
    blocks.append(
        Details(f"Every evaluation on held-out prompts ({len(seen):,})", [evaluations_table(seen)])
    )
    return Section("What came out", blocks)


def _with_gold(courses: Sequence[Course]) -> list[Block]:
    main = courses[0]
    named = {main.first.step: "", main.top.step: " (peak)", main.last.step: " (end)"}
    if main.top is main.last:
        named[main.last.step] = " (peak and end)"
    at = {look.step: look for look in (main.first, main.top, main.last)}
    numbers = {f"gold, step {step:,}{what}": main.at(at[step]) for step, what in named.items()}
    if proxy := known(main.last.proxy):
        numbers[f"proxy, step {main.last.step:,} (end)"] = proxy
    facts = [_gold_fact(one) for one in courses]
    if fact := _proxy_fact(main):
        facts.append(fact)
    if main.fell:
        facts.append(
            f"Of the policies evaluated, the one to keep is that of step {main.top.step:,}, not the"
            " last."
        )
    measured = (
        f"Gold here is {listed([one.gold for one in courses])}, on {main.at(main.last).n:,}"
        " held-out prompts."
    )
    words = f"{measured} The proxy is the reward that the policy was paid in."
    return [Headline(numbers), Paragraph(_verdict(main)), Bullets(facts), Paragraph(words)]


def _verdict(one: Course) -> str:
    """What happened, in a sentence or two for somebody who has not read of it."""
    first, last = one.at(one.first), one.at(one.last)
    since = f"after step {one.top.step:,}" if one.top is not one.first else "from the start on"
    if one.fell and one.climbed:
        return (
            f"The reward was over-optimized: {since}, gold fell while the proxy went on climbing."
            " The policy had learnt to please what it is paid in, and what that stands for got"
            " worse."
        )
    if one.fell:
        return (
            f"The policy got worse {since}: gold fell, and the proxy did not clearly climb either."
        )
    change = apart(first, last)
    rose = apart(known(one.first.proxy), known(one.last.proxy)) > 0
    if change > 0:
        return (
            "The policy got better, and nothing shows that the reward was over-optimized: gold"
            " rose, and did not fall by more than its intervals can tell."
        )
    if one.first is one.last:
        return "There is one evaluation only, so nothing can be said of how gold went."
    if rose:
        return (
            "The proxy climbed and gold stayed where it was, as far as the intervals tell: what the"
            " policy learnt is worth nothing in gold, or too little to be seen on these prompts."
        )
    return "Neither gold nor the proxy rose by more than the intervals can tell."


def _gold_fact(one: Course) -> str:
    first, top, last = one.at(one.first), one.at(one.top), one.at(one.last)
    said = f"Gold ({one.gold}): its peak is {beside(top)}, at step {one.top.step:,}{_kl(one.top)}"
    if one.last is one.first:
        return f"{said}."
    if one.last is one.top:
        return (
            f"{said}, which is the end and {_against(first, last)} {_at(one.first)}"
            f" ({beside(first)})."
        )
    fall = (
        "a fall, the intervals apart" if one.fell else "the intervals touch, so this may be no fall"
    )
    return (
        f"{said}; the end, step {one.last.step:,}{_kl(one.last)}, is worth {beside(last)}: {fall}."
        f" The end is {_against(first, last)} {_at(one.first)} ({beside(first)})."
    )


def _proxy_fact(one: Course) -> str:
    """What the proxy did where gold had its peak behind it, or else over the whole run."""
    after_peak = one.top not in (one.first, one.last)
    start = one.top if after_peak else one.first
    before, after = known(start.proxy), known(one.last.proxy)
    if before is None or after is None or start is one.last:
        return ""
    when = (
        f"from gold's peak at step {start.step:,} to the end"
        if after_peak
        else "from the first evaluation to the last"
    )
    return f"Proxy: {when}, it {_moved(before, after)}, from {beside(before)} to {beside(after)}."


def _moved(before: Estimate, after: Estimate) -> str:
    change = apart(before, after)
    if change:
        return f"{'climbed' if change > 0 else 'fell'}, the intervals apart"
    return "did not clearly move, the intervals touching"


def _against(before: Estimate, after: Estimate) -> str:
    return {1: "better than", -1: "worse than", 0: "not told apart from"}[apart(before, after)]


def _without_gold(seen: Sequence[EvalPoint]) -> list[Block]:
    """Only a proxy: what it did, and what that cannot tell."""
    known_ = [look for look in seen if known(look.proxy)]
    blocks: list[Block] = [
        Paragraph(
            "Only the proxy was measured, the reward that the policy is paid in. That it rises is"
            " what training does, whether the responses get better or the policy learns to please"
            " the reward: this report cannot tell the two apart, nor where the one turned into the"
            " other. To tell, measure on the same prompts something that the policy is not paid in:"
            " a verifier, a larger reward model, people."
        )
    ]
    if not known_:
        return [*blocks, Paragraph("Not even the proxy has a value on the held-out prompts.")]
    first, last = known_[0], known_[-1]
    numbers = {
        f"proxy, step {first.step:,}": first.proxy,
        f"proxy, step {last.step:,} (end)": last.proxy,
    }
    blocks.append(Headline({name: e for name, e in numbers.items() if e is not None}))
    if first is not last and first.proxy and last.proxy:
        blocks.append(
            Bullets(
                [
                    f"From the first evaluation to the last{_kl(last)}, the proxy"
                    f" {_moved(first.proxy, last.proxy)}."
                ]
            )
        )
    return blocks


def _proxy_only(seen: Sequence[EvalPoint]) -> str:
    return (
        f"The proxy alone, with 95 % intervals by prompt, at {len(seen):,} evaluations. No gold was"
        " measured."
    )


def _alarm_blocks(rows: Sequence[Row]) -> list[Block]:
    alarms = alarms_of(rows)
    if not alarms:
        return [Paragraph("No alarm was raised.")]
    return [
        Paragraph("Alarms were raised:" if len(alarms) > 1 else "An alarm was raised:"),
        Bullets(alarms),
    ]


def alarms_of(rows: Sequence[Row]) -> list[str]:
    """List the alarms of a run, each with its step and what it says."""
    found = []
    for row in rows:
        if row.get("alarm"):
            when = f"Step {row['step']:,}, " if row.get("step") is not None else ""
            found.append(f"{when}{row['alarm']}" + (f": {row['text']}" if row.get("text") else ""))
    return found


def _over_steps(rows: Sequence[Row], top: int | None) -> Section:
    title = "Over the steps"
    steps = [
        row
        for row in rows
        if row.get("step") is not None and eval_of(row) is None and "alarm" not in row
    ]
    if not steps:
        return Section(title, [Paragraph("No step was taken.")])
    try:
        svg = reinforcement_curves(rows, peak=top)
    except DataError:
        return Section(
            title,
            [Paragraph(f"{len(steps):,} steps were taken, and nothing of them was written down.")],
        )
    caption = (
        "Blue is training, where strong lines are running means and single steps are faint; orange"
        " are the held-out prompts with 95 % intervals. Duplicates are responses that equal another"
        " one to the same prompt."
    )
    if top is not None:
        caption += f" The dotted line stands at gold's peak, step {top:,}."
    return Section(title, [Paragraph(f"{len(steps):,} steps."), Figure(svg, caption)])


def _samples(samples: Sequence[Row], top: int | None) -> Section:
    """The first few prompts' responses at the first step, at the peak, and at the last."""
    title = "What it wrote"
    steps = sorted({row["step"] for row in samples if row.get("step") is not None})
    if not steps:
        return Section(title, [Paragraph("No responses were kept.")])
    wanted = {steps[0]: _at_step(steps[0]), steps[-1]: f"The end, step {steps[-1]:,}"}
    if top in steps:
        wanted[top] = (
            f"{wanted[top]}, gold's peak" if top in wanted else f"Gold's peak, step {top:,}"
        )
    prompts = list(dict.fromkeys(row.get("prompt") or "" for row in samples))
    chosen = prompts[:MOST]
    kept = [
        row for row in samples if row.get("step") in wanted and (row.get("prompt") or "") in chosen
    ]
    shade, legend = _shading(kept)
    blocks: list[Block] = [Paragraph(f"{len(chosen):,} of {len(prompts):,} prompts. {legend}")]
    for prompt in chosen:
        blocks.append(Text(cut(prompt)))
        for step in sorted(wanted):
            of_both = [
                row for row in kept if row["step"] == step and (row.get("prompt") or "") == prompt
            ]
            blocks += [_written(row, wanted[step], shade) for row in of_both]
    return Section(title, blocks)


def _answers(turns: Sequence[Sequence[str]]) -> list[list[str]]:
    """What the environment said after each of the assistant's turns."""
    found: list[list[str]] = []
    for role, text in turns:
        if role == "assistant":
            found.append([])
        else:
            found[-1].append(f"{role}: {cut(text)}")
    return found


def _written(row: Row, when: str, shade: Callable[[float], float]) -> Solution:
    """One response: when, what it is worth, and its steps with their scores."""
    facts = [f"proxy {_number(row.get('proxy'))}"]
    facts += [f"{name} {_number(value)}" for name, value in (row.get("gold") or {}).items()]
    scores, steps = row.get("step_scores") or (), []
    answers = _answers(row.get("turns") or ())
    for t, text in enumerate(row.get("response") or ()):
        score = scores[t] if t < len(scores) and _is_finite(scores[t]) else None
        shown = cut(text.strip("\n") or text)
        notes = ["ends without a further word"] if not text else []
        notes += [f"{score:.2f}"] if score is not None else []
        notes += answers[t] if t < len(answers) else []
        steps.append(Step(shown, None if score is None else shade(score), notes))
    return Solution(" · ".join([when, *facts]), steps, "" if steps else "An empty response.")


def _shading(rows: Sequence[Row]) -> tuple[Callable[[float], float], str]:
    """How a step's score is coloured, and what to say of it."""
    scores = [
        *filter(_is_finite, chain.from_iterable(row.get("step_scores") or () for row in rows))
    ]
    if not scores:
        return float, "Steps have no scores of their own."
    low, high = min(scores), max(scores)
    if low >= 0 and high <= 1:
        return (
            float,
            (
                "Beside each step stands its score; colours run from red, a score of 0, to green, a"
                " score of 1."
            ),
        )
    said = f"colours run from red, {low:.3g}, to green, {high:.3g}, the ends of what is shown here."
    return (
        lambda score: (score - low) / (high - low or 1.0),
        f"Beside each step stands its score; {said}",
    )


def picture(by: str = "prompt") -> str:
    """Explain the plot of proxy and gold."""
    return PICTURE.format(by=by)


def evaluations_table(seen: Sequence[EvalPoint], by: str = "prompt") -> Table:
    """Lay out every evaluation point, one row each."""
    names = list(dict.fromkeys(name for look in seen for name in look.gold or ()))
    head = [
        "step",
        "KL",
        "proxy",
        *(f"gold:\n{name}" for name in names),
        "tokens per\nresponse",
        "n",
        "unscored",
    ]
    body = []
    for look in seen:
        gold = look.gold or {}
        measured = [e for e in (look.proxy, *gold.values()) if e is not None]
        kl, length = known(look.kl), known(look.length)
        body.append(
            [
                f"{look.step:,}",
                None if kl is None else f"{kl.value:.3g}",
                two_lines(look.proxy),
                *(two_lines(gold.get(name)) for name in names),
                None if length is None else f"{length.value:.1f}",
                ranged(e.n for e in measured),
                sum(e.unscored for e in measured),
            ]
        )
    return Table(
        head,
        body,
        f"With 95 % intervals by {by}; unscored counts missing scores of proxy and gold together",
    )


def _courses(seen: Sequence[EvalPoint], peak: int | None) -> list[Course]:
    """How each gold went; the step of the peak is the first one's."""
    names = golds(seen)
    return [
        one for i, name in enumerate(names) if (one := course(seen, name, peak if i == 0 else None))
    ]


def _at(look: EvalPoint) -> str:
    return "before training" if look.step == 0 else f"at the first evaluation, step {look.step:,}"


def _at_step(step: int) -> str:
    return "Before training" if step == 0 else f"Early, step {step:,}"


def _kl(look: EvalPoint) -> str:
    kl = known(look.kl)
    return "" if kl is None else f" (KL {kl.value:.3g} nats)"


def two_lines(estimate: Estimate | None) -> str:
    """Write a value with its interval below it."""
    return "–" if estimate is None else beside(estimate).replace(" ", "\n", 1)


def ranged(numbers: Iterable[int]) -> str:
    """Write the range of some numbers, such as "16 to 60"."""
    ns = sorted(set(numbers)) or [0]
    return f"{ns[0]:,}" if len(ns) == 1 else f"{ns[0]:,} to {ns[-1]:,}"


def listed(names: Sequence[str]) -> str:
    """Join names as a sentence has them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _number(value: Any) -> str:
    return f"{value:.3g}" if _is_finite(value) else "not scored"


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
