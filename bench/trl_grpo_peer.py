"""TRL's side of `bench/trl_grpo.py`: runs in an environment of its own, prints one line of JSON."""

import json
import os
import resource
import sys
import time

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


class Clock(TrainerCallback):
    """Seconds of every step, logging and data loading included."""

    def __init__(self):
        self.seconds = []

    def on_step_begin(self, *_, **__):
        self.began = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.seconds.append(time.perf_counter() - self.began)


def main():
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["dtype"]))
    with open(job["prompts"]) as file:
        prompts = json.load(file)

    def nines(prompts, completions, **_):
        return [text.count("9") / job["tokens"] for text in completions]

    settings = GRPOConfig(
        output_dir=job["out"],
        seed=job["seed"],
        max_steps=job["steps"],
        per_device_train_batch_size=job["groups"] * job["samples"],
        gradient_accumulation_steps=1,
        steps_per_generation=1,
        num_iterations=1,
        num_generations=job["samples"],
        max_completion_length=job["tokens"],
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        beta=job["beta"],
        loss_type="grpo",
        scale_rewards="group",
        learning_rate=job["rate"],
        lr_scheduler_type="constant",
        warmup_steps=0,
        weight_decay=0.0,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
    )
    clock = Clock()
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=nines,
        args=settings,
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=tokenizer,
        callbacks=[clock],
    )
    began = time.perf_counter()
    trainer.train()
    wall = time.perf_counter() - began
    rows = [row for row in trainer.state.log_history if "reward" in row]
    found = {
        "rewards": [row["reward"] for row in rows],
        "kl": [row.get("kl") for row in rows],
        "length": [row.get("completions/mean_length") for row in rows],
        "seconds": clock.seconds,
        "wall": wall,
        "prompt_tokens": sum(len(tokenizer(text)["input_ids"]) for text in prompts[:50]) / 50,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
