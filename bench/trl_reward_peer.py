"""TRL's side of `bench/trl_reward.py`: runs in an environment of its own, prints one line of
JSON."""

import argparse
import json
import resource
import statistics
import time

import torch
import transformers
import trl
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback
from trl import RewardConfig, RewardTrainer

MODES = {
    "default": {},
    "autocast": {"gradient_checkpointing": False},
    "fp32": {"gradient_checkpointing": False, "bf16": False},
    "bf16": {"gradient_checkpointing": False, "bf16": False},
}
"""Settings beside TRL's own; "bf16" also loads the parameters in bf16."""


class InOrder(RewardTrainer):
    """The pairs in the order given."""

    def _get_train_sampler(self, *_, **__):
        return torch.utils.data.SequentialSampler(self.train_dataset)


class Clock(TrainerCallback):
    """Seconds of every step."""

    def __init__(self):
        self.wall, self.cpu = [], []

    def on_step_begin(self, *_, **__):
        self.began = time.perf_counter(), time.process_time()

    def on_step_end(self, *_, **__):
        self.wall.append(time.perf_counter() - self.began[0])
        self.cpu.append(time.process_time() - self.began[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--data")
    parser.add_argument("--mode", choices=MODES)
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with open(arguments.data) as file:
        rows = json.load(file)[: arguments.pairs * arguments.steps]
    dtype = torch.bfloat16 if arguments.mode == "bf16" else torch.float32
    model = AutoModelForSequenceClassification.from_pretrained(
        arguments.model, num_labels=1, dtype=dtype
    )
    config = RewardConfig(
        output_dir=arguments.out,
        per_device_train_batch_size=arguments.pairs,
        max_steps=arguments.steps,
        learning_rate=arguments.learning_rate,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=1.0,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        max_length=None,
        disable_tqdm=True,
        **MODES[arguments.mode],
    )
    clock = Clock()
    trainer = InOrder(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(arguments.model),
        callbacks=[clock],
    )
    assert len(trainer.train_dataset) == len(rows), "pairs were filtered out"
    first = trainer.train_dataset[0]
    assert [*first["chosen_ids"]] == rows[0]["chosen_ids"], "the token ids are not those given"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trainer.train()
    print(
        json.dumps(
            {
                "losses": [row["loss"] for row in trainer.state.log_history if "loss" in row],
                "wall": statistics.median(clock.wall[1:]),
                "cpu": statistics.median(clock.cpu[1:]),
                "before_mb": before / 1024,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "versions": {
                    "trl": trl.__version__,
                    "transformers": transformers.__version__,
                    "torch": torch.__version__,
                },
            }
        )
    )


if __name__ == "__main__":
    main()
