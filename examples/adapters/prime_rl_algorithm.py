"""An algorithm of prime-rl that learns from step rewards; register it in ALGORITHM_CLASSES."""

from typing import Any

from prime_rl.orchestrator.algo.base import Algorithm
from transformers import AutoTokenizer

from assay.adapters.prime_rl import assign
from assay.workflows.paying import payer


class StepCredit(Algorithm):
    async def setup(self) -> None:
        self.pays = payer("remote:http://127.0.0.1:8765,model=prm,place=every_step")
        self.tokenizer = AutoTokenizer.from_pretrained(self.policy_pool.model_name)

    async def score_group(self, episodes: list[Any]) -> None:
        await assign(episodes, self.pays, self.tokenizer)
