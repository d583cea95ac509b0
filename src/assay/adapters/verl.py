"""Rewards in verl (0.9): a score function, and a manager that puts step rewards on tokens.

The function: `reward.custom_reward_function.path` is a file that imports `compute_score`, and
`reward_kwargs` has its `word`, and the key of `extra_info` where the prompt is. The manager: a file
of your own with `StepRewards = manager(WORD)`, which `reward.reward_manager` names (`source`
importlib, `module.path`, `name`). GRPO adds the tokens' rewards up; take an estimator that does
not. Where rollouts are rewarded one by one as they end, verl wants one number: score batches.
"""

from functools import lru_cache
from typing import Any

from assay.errors import DataError
from assay.workflows.paying import Payer, known, payer, prompt_of, total_of
from assay.workflows.token_rewards import spread, text_of, token_ends

__all__ = ["compute_score", "manager"]

opened = lru_cache(payer)


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Any = None,
    *,
    word: str,
    prompt: str = "question",
    split: str = "newline",
    **_: Any,
) -> dict[str, float]:
    """Return {"score": the reward}. What cannot be scored raises `DataError`: verl has no value for
    it but 0. prompt: key of `extra_info`, of a text or messages."""
    if prompt not in (extra_info or {}):
        raise DataError(
            f"extra_info has no {prompt!r}; name the prompt's key: reward_kwargs.prompt"
        )
    pays = opened(word, split=split)
    asked = prompt_of(extra_info[prompt], ground_truth)
    return {"score": total_of(await pays.pay_one(asked, pays.said(solution_str)))}


async def token_rewards(pays: Payer, item: Any, tokenizer: Any) -> tuple[list[float], float]:
    """Return the rewards of a sample's R response tokens, padding included, and their sum."""
    row, others = item.batch, item.non_tensor_batch
    count = len(row["responses"])
    ids = row["responses"][: int(row["attention_mask"][-count:].sum())].tolist()
    if "response_mask" in row and not row["response_mask"][: len(ids)].all():
        raise DataError("the response has tokens that the policy did not write; give one turn")
    said = pays.said(text_of(ids, tokenizer))
    wanted = others.get("reward_model", {}).get("ground_truth")
    paid = known(await pays.pay_one(prompt_of(others["raw_prompt"], wanted), said))
    return spread(paid.steps, token_ends(ids, said.steps, tokenizer), count), paid.total


def manager(word: Any, **settings: Any) -> type:
    """Return a reward manager that pays each step at its last token."""
    import torch
    from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase

    pays = payer(word, **settings)

    class StepRewards(RewardManagerBase):  # type: ignore[misc]
        async def run_single(self, data: Any) -> dict[str, Any]:
            paid, total = await token_rewards(pays, data[-1], self.tokenizer)
            extra = {"acc": total}
            return {"reward_score": torch.tensor(paid), "reward_extra_info": extra}

        @classmethod
        def assemble_rm_scores(cls, data: Any, scores: Any) -> Any:
            return torch.stack([*scores]).to(data.batch["responses"].device, torch.float32)

    return StepRewards
