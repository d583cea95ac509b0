"""GRPO in TRL (1.16), rewarded by a running `assay serve`.

    assay serve prm=runs/prm orm=runs/orm --port 8765
    python examples/adapters/trl_grpo.py POLICY prm=remote:http://127.0.0.1:8765,model=prm \\
        --place every_step --steps 5

pays the sum of a process model's step scores; without `--place` a model's score.
"""

import argparse
import json

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from assay.adapters.trl import reward_function

parser = argparse.ArgumentParser()
parser.add_argument("policy", help="folder of a causal language model")
parser.add_argument("reward", help="word of a scorer")
parser.add_argument("--place", default="terminal", help="how its scores are paid")
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--out", default="runs/trl")


def main() -> None:
    given = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(given.policy)
    rows = [
        {"prompt": [{"role": "user", "content": f"What is {a} plus {b}?"}], "answer": str(a + b)}
        for a, b in zip(range(2, 34), range(30, 62), strict=True)
    ]
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(given.policy),
        processing_class=tokenizer,
        reward_funcs=reward_function(
            f"{given.reward},place={given.place}", reference="answer", ends=[tokenizer.eos_token_id]
        ),
        train_dataset=Dataset.from_list(rows),
        args=GRPOConfig(
            output_dir=given.out,
            max_steps=given.steps,
            per_device_train_batch_size=8,
            num_generations=4,
            max_completion_length=32,
            learning_rate=1e-3,
            logging_steps=1,
            bf16=False,
            report_to=[],
            save_strategy="no",
        ),
    )
    trainer.train()
    for row in trainer.state.log_history:
        known = {key: value for key, value in row.items() if "reward" in key or "unscored" in key}
        print(json.dumps({"step": row["step"], "grad_norm": row.get("grad_norm"), **known}))


if __name__ == "__main__":
    main()
