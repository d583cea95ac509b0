"""What a policy became when it was trained against a reward: did it get better, or did it learn to
please the reward?

Held-out prompts are looked at now and then. The proxy is the reward that the policy is paid in;
gold is what the proxy stands for, best measured by something the policy is not paid in, such as a
verifier. What a report says is told from those looks alone, and "rose", "fell" and "better" only
where 95 % intervals do not touch.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from assay.errors import DataError
from assay.pages.evaluation import run_section
from assay.pages.rl_plots import arms, proxy_and_gold, reinforcement_curves
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
    common_gold,
    course,
    eval_of,
    eval_points,
    golds,
    known,
)
from assay.stats import Estimate, summarise

__all__ = ["arms_report", "reinforcement_report"]

MOST: Final = 4
"""Prompts whose responses are shown."""
LONGEST: Final = 1200
"""Characters shown of a step."""
PICTURE: Final = (
    "The broken line is the proxy, the solid ones are gold; bands are 95 % intervals by {by}. KL"
    " says how far the policy has gone from the reference it began as. A ring marks gold's peak,"
    " which is picked on these same looks and so flatters a little."
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
        _over_steps(rows, top),
        _samples(samples, top),
        run_section(run),
    ]


def arms_report(
    rows_by_arm: Mapping[str, Sequence[Row]],
    *,
    gold: str | None = None,
    run: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    by: str = "prompt",
    alarms: bool = True,
) -> list[Section]:
    """The sections of several runs beside each other: whose gold fell, over the steps and against
    KL, and every look.

    gold: which one to compare by; None = the one that most arms have. by: what the intervals of the
    looks are over.
    alarms: whether the rows hold them. Raises `DataError` where no arm was looked at.
    """
    runs = {name: eval_points(rows) for name, rows in rows_by_arm.items()}
    if not any(runs.values()):
        raise DataError('no arm has a look at the held-out prompts; give rows with "eval"')
    what = gold if gold is not None else common_gold(runs.values())
    courses = {n: c for n, seen in runs.items() if what is not None and (c := course(seen, what))}
    blocks: list[Block] = [Bullets(_compared(rows_by_arm, runs, courses, what))]
    if courses or any(known(look.steps) for seen in runs.values() for look in seen):
        caption = f"Bands are 95 % intervals by {by}. A ring marks where an arm's gold is highest."
        blocks.append(Figure(arms(rows_by_arm, gold=what), caption))
    blocks.append(_arms_table(runs, courses, what, by))
    if notes:
        blocks.append(Bullets(notes))
    sections = [Section("Arms side by side", blocks)]
    if any(known(look.proxy) for seen in runs.values() for look in seen) or courses:
        paid = (
            "Every arm is paid in a proxy of its own: compare the courses of proxies, not their"
            " heights."
        )
        caption = f"{_picture(by)} {paid}"
        sections.append(
            Section("Proxy and gold", [Figure(proxy_and_gold(runs, gold=what), caption)])
        )
    if alarms:
        raised = [
            f"{name}: {alarm}" for name, rows in rows_by_arm.items() for alarm in _alarms(rows)
        ]
        sections.append(
            Section("Alarms", [Bullets(raised) if raised else Paragraph("No arm raised an alarm.")])
        )
    tables = [Details(name, [_looks_table(seen, by)]) for name, seen in runs.items() if seen]
    sections.append(Section("Every look", tables))
    return sections if run is None else [*sections, run_section(run)]


def _result(
    rows: Sequence[Row], seen: Sequence[EvalPoint], courses: Sequence[Course], peak: int | None
) -> Section:
    """What came out, in words, numbers and the picture."""
    if not seen:
        gone = (
            "The held-out prompts were never looked at, so only rewards of training are known. They"
            " cannot tell whether the policy got better: it is paid to make them rise."
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
                _picture() if courses else _proxy_only(seen),
            )
        )
    blocks.append(
        Details(f"Every look at the held-out prompts ({len(seen):,})", [_looks_table(seen)])
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
            f"Of the policies looked at, the one to keep is that of step {main.top.step:,}, not the"
            " last."
        )
    measured = (
        f"Gold here is {_listed([one.gold for one in courses])}, on {main.at(main.last).n:,}"
        " held-out prompts."
    )
    words = f"{measured} The proxy is the reward that the policy was paid in."
    return [Paragraph(_verdict(main)), Headline(numbers), Bullets(facts), Paragraph(words)]


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
        return "There is one look only, so nothing can be said of how gold went."
    if rose:
        return (
            "The proxy climbed and gold stayed where it was, as far as the intervals tell: what the"
            " policy learnt is worth nothing in gold, or too little to be seen on these prompts."
        )
    return "Neither gold nor the proxy rose by more than the intervals can tell."


def _gold_fact(one: Course) -> str:
    first, top, last = one.at(one.first), one.at(one.top), one.at(one.last)
    said = f"Gold ({one.gold}): its peak is {_brief(top)}, at step {one.top.step:,}{_kl(one.top)}"
    if one.last is one.first:
        return f"{said}."
    if one.last is one.top:
        return (
            f"{said}, which is the end and {_against(first, last)} {_at(one.first)}"
            f" ({_brief(first)})."
        )
    fall = (
        "a fall, the intervals apart" if one.fell else "the intervals touch, so this may be no fall"
    )
    return (
        f"{said}; the end, step {one.last.step:,}{_kl(one.last)}, is worth {_brief(last)}: {fall}."
        f" The end is {_against(first, last)} {_at(one.first)} ({_brief(first)})."
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
        else "from the first look to the last"
    )
    return f"Proxy: {when}, it {_moved(before, after)}, from {_brief(before)} to {_brief(after)}."


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
                    f"From the first look to the last{_kl(last)}, the proxy"
                    f" {_moved(first.proxy, last.proxy)}."
                ]
            )
        )
    return blocks


def _proxy_only(seen: Sequence[EvalPoint]) -> str:
    return (
        f"The proxy alone, with 95 % intervals by prompt, at {len(seen):,} looks. No gold was"
        " measured."
    )


def _alarm_blocks(rows: Sequence[Row]) -> list[Block]:
    alarms = _alarms(rows)
    if not alarms:
        return [Paragraph("No alarm was raised.")]
    return [
        Paragraph("Alarms were raised:" if len(alarms) > 1 else "An alarm was raised:"),
        Bullets(alarms),
    ]


def _alarms(rows: Sequence[Row]) -> list[str]:
    """Each with its step and what it says."""
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
        blocks.append(Text(_cut(prompt)))
        for step in sorted(wanted):
            of_both = [
                row for row in kept if row["step"] == step and (row.get("prompt") or "") == prompt
            ]
            blocks += [_written(row, wanted[step], shade) for row in of_both]
    return Section(title, blocks)


def _written(row: Row, when: str, shade: Callable[[float], float]) -> Solution:
    """One response: when, what it is worth, and its steps with their scores."""
    facts = [f"proxy {_number(row.get('proxy'))}"]
    facts += [f"{name} {_number(value)}" for name, value in (row.get("gold") or {}).items()]
    scores, steps = row.get("step_scores") or (), []
    for t, text in enumerate(row.get("response") or ()):
        score = scores[t] if t < len(scores) and _is_finite(scores[t]) else None
        shown = _cut(text.strip("\n") or text)
        notes = ["ends without a further word"] if not text else []
        notes += [f"{score:.2f}"] if score is not None else []
        steps.append(Step(shown, None if score is None else shade(score), notes))
    return Solution(" · ".join([when, *facts]), steps, "" if steps else "An empty response.")


def _shading(rows: Sequence[Row]) -> tuple[Callable[[float], float], str]:
    """How a step's score is coloured, and what to say of it."""
    scores = [score for row in rows for score in row.get("step_scores") or () if _is_finite(score)]
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


def _compared(
    rows_by_arm: Mapping[str, Sequence[Row]],
    runs: Mapping[str, Sequence[EvalPoint]],
    courses: Mapping[str, Course],
    what: str | None,
) -> list[str]:
    """Whose reward was over-optimized, whose was not, and who ended highest."""
    said = []
    hacked = [name for name, one in courses.items() if one.fell and one.climbed]
    fell = [name for name, one in courses.items() if one.fell and not one.climbed]
    better = [
        n
        for n, one in courses.items()
        if not one.fell and apart(one.at(one.first), one.at(one.last)) > 0
    ]
    if hacked:
        said.append(f"Over-optimized, gold falling while the proxy climbed: {_listed(hacked)}.")
    if fell:
        said.append(
            f"Gold fell, though the proxy did not clearly climb after gold's peak: {_listed(fell)}."
        )
    if better:
        said.append(f"Gold rose and did not fall: {_listed(better)}.")
    if rest := [name for name in courses if name not in (*hacked, *fell, *better)]:
        said.append(f"Gold neither clearly rose nor fell: {_listed(rest)}.")
    if missing := [name for name in rows_by_arm if name not in courses]:
        of = f" ({what})" if what is not None else ""
        said.append(
            f"No gold{of} was measured, so nothing can be said of what was learnt:"
            f" {_listed(missing)}."
        )
    ends = {name: one.at(one.last) for name, one in courses.items()}
    if len(ends) > 1:
        best = max(ends, key=lambda name: ends[name].value)
        near = [name for name in ends if name != best and not ends[name].high < ends[best].low]
        told = f"not told apart from {_listed(near)}" if near else "its interval above all others"
        said.append(f"Highest at the end is {best} with {_brief(ends[best])}, {told}.")
    return said


def _arms_table(
    runs: Mapping[str, Sequence[EvalPoint]],
    courses: Mapping[str, Course],
    what: str | None,
    by: str,
) -> Table:
    """A row an arm: its gold where it began, where it was highest and where it ended, and what
    became of its steps."""
    head = [
        "arm",
        "gold,\nfirst look",
        "gold,\nhighest",
        "gold,\nend",
        "KL,\nend",
        "steps a response,\nfirst and end",
    ]
    body = []
    for name, seen in runs.items():
        one = courses.get(name)
        gold = (
            [_two_lines(one.at(look)) for look in (one.first, one.top, one.last)]
            if one
            else ["–"] * 3
        )
        if one:
            gold[1] += f"\nstep {one.top.step:,}"
        ends = [
            look.steps.value for look in (*seen[:1], *seen[-1:]) if known(look.steps) and look.steps
        ]
        kl = known(seen[-1].kl) if seen else None
        body.append(
            [
                name,
                *gold,
                None if kl is None else kl.value,
                " → ".join(f"{x:.3g}" for x in ends) or None,
            ]
        )
    ns = _range(one.at(one.last).n for one in courses.values())
    of = f"gold is {what}, n = {ns}; " if what is not None and courses else ""
    return Table(head, body, f"{of}KL in nats a response; 95 % intervals by {by}")


def _picture(by: str = "prompt") -> str:
    return PICTURE.format(by=by)


def _looks_table(seen: Sequence[EvalPoint], by: str = "prompt") -> Table:
    names = list(dict.fromkeys(name for look in seen for name in look.gold or ()))
    head = [
        "step",
        "KL",
        "proxy",
        *(f"gold:\n{name}" for name in names),
        "tokens a\nresponse",
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
                _two_lines(look.proxy),
                *(_two_lines(gold.get(name)) for name in names),
                None if length is None else f"{length.value:.1f}",
                _range(e.n for e in measured),
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
    return "before training" if look.step == 0 else f"at the first look, step {look.step:,}"


def _at_step(step: int) -> str:
    return "Before training" if step == 0 else f"Early, step {step:,}"


def _kl(look: EvalPoint) -> str:
    kl = known(look.kl)
    return "" if kl is None else f" (KL {kl.value:.3g} nats)"


def _brief(estimate: Estimate) -> str:
    return summarise(estimate).split(", n=")[0]


def _two_lines(estimate: Estimate | None) -> str:
    return "–" if estimate is None else _brief(estimate).replace(" ", "\n", 1)


def _range(numbers: Iterable[int]) -> str:
    ns = sorted(set(numbers)) or [0]
    return f"{ns[0]:,}" if len(ns) == 1 else f"{ns[0]:,} to {ns[-1]:,}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _number(value: Any) -> str:
    return f"{value:.3g}" if _is_finite(value) else "not scored"


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _cut(text: str) -> str:
    """Beginning and end of what is too long for a page that should be light."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST - 300]} … ({len(text):,} characters) … {text[-300:]}"
