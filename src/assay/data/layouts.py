"""All layouts by name: a module each in `formats`, and a table of those that differ in the names of
their columns."""

from dataclasses import replace
from functools import cache
from typing import Final, cast

from assay import components
from assay.data.columns import Columns
from assay.errors import ConfigError
from assay.protocols import Format
from assay.runs.settings import made

__all__ = ["BY_HAND", "configured", "name_of", "names", "resolve"]

BY_HAND: Final = "columns:"
"""Before columns that are named by hand, where a format is asked for."""

_TABLE: Final = {
    "orca-pairs": (
        "system=system?,prompt=question|Question|query|problem|post"
        ",chosen=chosen|accepted,rejected=rejected"
    ),
    "input-pairs": "system=system?,prompt=input,chosen=chosen|accepted,rejected=rejected",
    "alpaca-pairs": (
        "system=system?,history=history?,prompt=instruction,input=input?"
        ",chosen=chosen,rejected=rejected"
    ),
    "alpaca-ranked": (
        "system=system?,prompt=instruction,input=input?,chosen=output.0,rejected=output.1"
    ),
    "instruction-responses": (
        "system=system?,prompt=instruction|prompt|question,input=input?"
        ",chosen=chosen_response,rejected=rejected_response"
    ),
    "sharegpt-pairs": (
        "system=system?,tools=tools?,prompt=conversations|conversation"
        ",chosen=chosen,rejected=rejected"
    ),
    "messages-pairs": "system=system?,tools=tools?,prompt=messages,chosen=chosen,rejected=rejected",
    "swift-response": "tools=tools?,messages=messages,rejected=rejected_response",
    "swift-query": (
        "system=system?,history=history?,prompt=query,chosen=response,rejected=rejected_response"
    ),
    "swift-messages": "tools=tools?,chosen=messages,rejected=rejected_messages",
    "openrlhf-pairs": (
        "prompt=prompt?,chosen=chosen,rejected=rejected"
        ",margin=margin?,chosen_score=chosen_score,rejected_score=rejected_score"
    ),
    "step-dpo": (
        "prompt=prompt,opening=initial_reason_steps,chosen=chosen,rejected=rejected"
        ",reference=answer?"
    ),
    "ultrainteract-pairs": "prompt=trajectory,id=id?,chosen=chosen,rejected=rejected",
    "openai-preferences": (
        "prompt=input.messages,tools=input.tools?,chosen=preferred_output"
        ",rejected=non_preferred_output"
    ),
    "stack-exchange-pairs": "prompt=question,chosen=response_j,rejected=response_k",
    "sharegpt-kto": (
        "system=system?,tools=tools?,messages=conversations|conversation,label=kto_tag|label"
    ),
    "messages-kto": "system=system?,tools=tools?,messages=messages,label=kto_tag",
    "alpaca-kto": (
        "system=system?,history=history?,prompt=instruction|prompt,input=input?"
        ",response=output|response|completion,label=kto_tag"
    ),
    # Answers, references and pools
    "math-problems": (
        "system=system?,prompt=problem|question|prompt|query|Problem|Question,reference=ground_truth"
        "|expected_answer|final_answer|answer|Answer,solution=solution|Solution?,id=unique_id|id|ID?"
    ),
    "boxed-solutions": (
        "system=system?,prompt=problem|question|Problem|Question,boxed=solution|Solution"
        ",id=unique_id|id|ID?"
    ),
    "verl": "prompt=prompt,reference=reward_model.ground_truth,tools=tools?",
    "messages-with-reference": (
        "messages=messages,reference=ground_truth|expected_answer,tools=tools?,id=id?"
    ),
    "openrlhf-prompts": "prompt=context_messages,id=id?",
    "alpaca": (
        "system=system?,history=history?,prompt=instruction|query|question|problem"
        ",input=input|context?,response=output|response|completion|generated_solution"
        ",reference=ground_truth|expected_answer|final_answer|answer?,id=id?"
    ),
    "labelled-responses": (
        "system=system?,prompt=question|problem|instruction|query"
        ",response=response|output|completion|generated_solution,label=label|is_correct|correct"
        ",reference=ground_truth|expected_answer|answer?,id=id?"
    ),
    "input-output": "system=system?,prompt=input,response=output,reference=ground_truth?",
    "sharegpt": "system=system?,messages=conversations|conversation,tools=tools?,id=id?",
    "trl-prompt-completion": "system=system?,prompt=prompt,response=completion,tools=tools?,id=id?",
    "qwen-math-outputs": (
        "prompt=question|problem,reference=gt|answer,solution=gt_cot|solution?,responses=code"
        ",scores=score,each.pred=pred?,each.report=report?,id=idx?"
    ),
    "openr1-math": (
        "prompt=problem,reference=answer,solution=solution?,responses=generations"
        ",scores=correctness_math_verify,finished=is_reasoning_complete?,stop=finish_reasons?"
        ",each.correctness_llama=correctness_llama?,id=uuid?"
    ),
    "pools": (
        "system=system?,prompt=problem|question,reference=ground_truth|expected_answer|answer?"
        ",responses=generations|responses|completions|samples|outputs,id=unique_id|id?"
    ),
    "judged-pools": (
        "system=system?,prompt=problem|question,reference=ground_truth|expected_answer|answer?"
        ",responses=generations|responses|completions|samples|outputs"
        ",scores=correct|is_correct|correctness,id=unique_id|id?"
    ),
    "scored-completions": (
        "system=system?,prompt=problem|question|prompt,reference=answer?,solution=solution?"
        ",responses=completions,each.scores=scores,each.agg_scores=agg_scores?"
        ",each.completion_tokens=completion_tokens?,id=unique_id|id?"
    ),
    # Judged pairs
    "judged-pairs": (
        "prompt=prompt,first=response_a,second=response_b,first_model=model_a?,"
        "second_model=model_b?,winner=winner"
    ),
    "alpaca-eval": (
        "prompt=instruction,first=output_1,second=output_2,first_model=generator_1,"
        "second_model=generator_2,winner=preference"
    ),
    "auto-j": "prompt=prompt,first=response 1,second=response 2,choice=label",
    "evalbiasbench": "prompt=instruction,first=response1,second=response2,winner=label,has=bias",
    "helpsteer3": "prompt=context,first=response1,second=response2,strength=overall_preference",
    "judgebench": "prompt=question,first=response_A,second=response_B,winner=label,id=pair_id",
    "llmbar": "prompt=input,first=output_1,second=output_2,winner=label",
    "offsetbias": "prompt=instruction,first=output_1,second=output_2,winner=label",
    "preference-collection": (
        "prompt=orig_instruction,first=orig_response_A,second=orig_response_B,winner=orig_preference"
    ),
    "rewardmath-pairs": (
        "prompt=problem,first=eval_solution_A,second=eval_solution_B,winner=chosen_position"
    ),
    "rmb-pairs": (
        "prompt=conversation_input,chosen=chosen.answer,rejected=reject.answer,id=pair_uid?"
    ),
    "shp": "prompt=history,first=human_ref_A,second=human_ref_B,prefer=labels",
    "webgpt": (
        "prompt=question.full_text,first=answer_0,second=answer_1,first_score=score_0,"
        "second_score=score_1"
    ),
    # Right and wrong responses
    "rewardbench-2": "prompt=prompt,right=chosen,wrong=rejected,id=id?",
    "rmb-best-of-n": (
        "prompt=conversation_input,right=bon_best.answer,wrong=loser_list.*.answer,id=bon_uid?"
    ),
    # Graded and other single responses
    "alpaca-eval-outputs": "prompt=instruction,response=output,each.model=generator",
    "arena-hard-answers": (
        "prompt=messages.0.content,response=messages.1.content.answer,each.model=model,id=uid?"
    ),
    "beavertails": "prompt=prompt,response=response,label=is_safe",
    "feedback-collection": (
        "prompt=orig_instruction,response=orig_response,score=orig_score,has=orig_criteria"
    ),
    "rewardmath": (
        "prompt=problem,response=eval_solution,label=solution_type,reference=answer,"
        "each.model=solution_reference"
    ),
}
"""Name -> its columns, as `--columns` takes them."""

_BY_NAME: Final = {"trl-implicit": ("trl-preference", {"implicit": True})}
"""Layouts that no row is recognised as: a format and its settings."""

_LAYOUTS: Final = {name: Columns.of(text, name) for name, text in _TABLE.items()}


def names() -> list[str]:
    """Return the names of all layouts that rows are recognised as."""
    return sorted({*components.names("formats")} | _LAYOUTS.keys())


def resolve(format: str | Format) -> Format:
    """Return a format from its name, `package.module:Class` or `columns:prompt=question,...`."""
    return _named(format) if isinstance(format, str) else format


@cache
def _named(name: str) -> Format:
    if name.startswith(BY_HAND):
        return Columns.of(name.removeprefix(BY_HAND))
    if name in _LAYOUTS:
        return _LAYOUTS[name]
    if name in _BY_NAME:
        base, settings = _BY_NAME[name]
        return cast(Format, components.load("formats", base)(**settings))
    if ":" not in name and name not in names():
        raise components.unknown("formats", name, names())
    format: Format = components.load("formats", name)()
    return format


def name_of(format: Format) -> str:
    """Return the name that finds a format again."""
    for name in _BY_NAME:
        if _named(name) == format:
            return name
    return (
        format.name
        if isinstance(format, Columns)
        else components.name_of(type(format)).removeprefix("formats/")
    )


def configured(name: str, settings: tuple[str, ...]) -> Format | None:
    """Return a format from its name and KEY=VALUE settings; None where no name is given."""
    if not name:
        if settings:
            raise ConfigError(
                f"settings ({' '.join(settings)}) need the format they are for: --format NAME"
            )
        return None
    if not settings:
        return resolve(name)
    if isinstance(columns := resolve(name), Columns):
        for setting in settings:
            if not setting.startswith("separator="):
                raise ConfigError(f"{name} has no setting {setting!r}; there is separator=TEXT")
        return replace(columns, separator=settings[-1].removeprefix("separator="))
    format: Format = made(components.load("formats", name), name, settings)
    return format
