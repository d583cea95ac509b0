"""The three steps of InstructGPT (arXiv:2203.02155) from nothing: demonstrations, a reward model,
PPO; and the gold.

A model of random weights first learns to write sums by imitation (SFT), errors and all. A reward
model then learns from pairs of its answers which is better, and PPO trains the policy against that
model under a price on divergence. The checker, which knows the truth, is never learned from: it
watches where the reward model stops being gold. Put your own in their place: any causal LM, any
preferences, any `Scorer`. About five minutes on one core.

    python examples/instructgpt.py runs/instructgpt
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaForCausalLM

from assay.losses.bradley_terry import BradleyTerry
from assay.models.layout import Layout
from assay.models.loading import load_network, load_tokenizer
from assay.pages.rl import reinforcement_report
from assay.protocols import Prefix, Sampling
from assay.report.html import write_report
from assay.rl.loop import optimise
from assay.rl.policy import Policy
from assay.rl.scoring import Part
from assay.rl.settings import RECIPES
from assay.rl.transforms import Standardise
from assay.runs.evaluations import eval_points
from assay.scorers.local import LocalScorer
from assay.scorers.verifier import Verified
from assay.studies.arithmetic.records import graded, preferences
from assay.studies.arithmetic.running_sums import Arithmetic
from assay.training.loop import train
from assay.training.settings import Settings
from assay.training.sft import fine_tune
from assay.types import Group
from assay.worlds.arithmetic.demonstrations import demonstrate
from assay.worlds.arithmetic.grammar import Grammar
from assay.worlds.arithmetic.policy import llama_config
from assay.worlds.arithmetic.task import all_problems, prompts_of, split_steps
from assay.worlds.arithmetic.tokenizer import make_tokenizer
from assay.worlds.threads import threads

LAYOUT = Layout(join="", max_length=64)


def main(out: Path, world: Arithmetic, rounds: int) -> None:
    training, test = world.prompts()

    # 1. SFT: demonstrations by somebody who errs in one step of seven.
    rng = np.random.default_rng(0)
    problems = all_problems()[rng.integers(0, 6561, 3000)]
    answers = demonstrate(problems, rng).responses()
    shown = [
        Group(prompt=p, responses=(r,)) for p, r in zip(prompts_of(problems), answers, strict=True)
    ]
    torch.manual_seed(0)
    steps = Settings(
        epochs=world.policy_steps * 128 / 3000, batch_size=128, bucket=8, learning_rate=2e-3
    )
    fine_tune(
        LlamaForCausalLM(llama_config()),
        make_tokenizer(),
        shown,
        layout=LAYOUT,
        settings=steps,
        out=out / "sft",
    )

    # 2. A reward model: which of two answers of this policy is right?
    policy = Policy(
        load_network(LlamaForCausalLM, out / "sft", dtype=torch.float32),
        load_tokenizer(out / "sft"),
        layout=LAYOUT,
        split=split_steps,
        grammar=Grammar(),
        critic=True,
    )
    sampled = policy.generator.generate([Prefix(p) for p in training], Sampling(n=8, max_tokens=25))
    pools = [graded(p, rs, world.verifier) for p, rs in zip(training, sampled, strict=True)]
    pairs = preferences(pools, most=8, seed=0)
    print(f"{len(pairs)} pairs of a right and a wrong answer")
    reward_model = train(
        world.reward_model("preference"),
        pairs,
        loss=BradleyTerry(),
        settings=world.settings("preference", len(pairs)),
        out=out / "reward_model",
    ).model

    # 3. PPO against it, with the checker looking on.
    done = optimise(
        policy,
        training,
        [Part(name="reward model", scorer=LocalScorer(reward_model), transforms=(Standardise(),))],
        settings=replace(
            RECIPES["ppo"],
            steps=rounds,
            groups=32,
            samples=4,
            max_tokens=25,
            learning_rate=4e-4,
            kl=0.05,
            kl_target=None,
            epochs=2,
            minibatches=2,
        ),
        out=out / "ppo",
        held_out=test,
        golds={"truth": Verified(world.verifier)},
    )
    for point in eval_points(done.rows):
        print(
            f"round {point.step:3}: reward {point.proxy:+.2f}, right {point.first_gold:.3f},"
            f" KL {point.kl:.2f} nats"
        )
    print(
        f"most answers were right at round {done.peak}: {out / 'ppo' / 'peak'} holds the policy of"
        " that time"
    )
    samples = [
        json.loads(line) for line in (out / "ppo" / "samples.jsonl").read_text().splitlines()
    ]
    sections = reinforcement_report({"settings": {}}, done.rows, samples, peak=done.peak)
    write_report(out / "report.html", "PPO against a reward model, and what it is worth", sections)
    print(f"wrote {out / 'report.html'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, nargs="?", default=Path("runs/instructgpt"))
    parser.add_argument(
        "--problems", type=int, default=2000, help="training problems, with eight answers each"
    )
    parser.add_argument("--test-problems", type=int, default=300, help="problems to watch")
    parser.add_argument("--policy-steps", type=int, default=800, help="optimiser steps of SFT")
    parser.add_argument(
        "--steps", type=int, default=800, help="optimiser steps of the reward model"
    )
    parser.add_argument("--rounds", type=int, default=100, help="rounds of PPO")
    given = parser.parse_args()
    with threads(1):
        main(
            given.out,
            Arithmetic(
                train_problems=given.problems,
                test_problems=given.test_problems,
                policy_steps=given.policy_steps,
                steps=given.steps,
            ),
            given.rounds,
        )
