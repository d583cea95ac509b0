"""GRPO beside TRL's `GRPOTrainer`: the same tiny Llama, prompts, reward, optimiser, KL and batch,
without vLLM.

    # a tiny Llama, prompts of eleven tokens
    python -m bench.trl_grpo --json
    # prompts of two hundred
    python -m bench.trl_grpo --json --shots 12 --seeds 0
    # SmolLM2-135M, four groups
    python -m bench.trl_grpo --json --smol --steps 6 --seeds 0 --threads 2

TRL runs in an environment of its own (`runs/trl_env`), each run in a process of its own. The reward
is the share of a completion that is a nine. Learning curves over seeds are compared step by step;
speed is completions a second over the steps after the first three, at one and at two threads, each
side at its best.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench.trl_reward import REPOSITORY, environment, run, say

from assay.models.layout import Layout
from assay.models.policy import save_policy
from assay.worlds.arithmetic.demonstrations import demonstrate
from assay.worlds.arithmetic.policy import llama_config
from assay.worlds.arithmetic.task import all_problems, prompts_of
from assay.worlds.arithmetic.tokenizer import make_tokenizer

SAMPLES, BETA = 8, 0.04
LATE = 10
"""Steps at the end over which curves are compared."""


def main() -> None:
    """Measure both sides."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shots", type=int, default=0, help="solved sums before each prompt")
    parser.add_argument(
        "--smol", action="store_true", help="SmolLM2-135M, not a tiny Llama of random weights"
    )
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default="float32",
        help=(
            "of SmolLM2; where the processor has no bf16 instructions, bfloat16 takes minutes a"
            " step"
        ),
    )
    parser.add_argument("--environment", type=Path, default=REPOSITORY / "runs" / "trl_env")
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(ours(**json.loads(arguments.worker))))
        return
    python = environment(arguments.environment)
    with tempfile.TemporaryDirectory() as folder:
        found = compare(arguments, python, Path(folder))
    print(json.dumps(found) if arguments.json else shown(found))


def compare(arguments: argparse.Namespace, python: Path, folder: Path) -> dict[str, Any]:
    """Every run, one after the other; those of the first seed at all numbers of threads."""
    from transformers import LlamaForCausalLM

    base: dict[str, Any] = {"groups": 8, "tokens": 16, "rate": 1e-3, "dtype": "float32"}
    if arguments.smol:
        from assay.models.smol import smol_folder

        model = smol_folder()
        base = {"groups": 4, "tokens": 64, "rate": 1e-6, "dtype": arguments.dtype}
    else:
        model = folder / "model"
        config = llama_config()
        config.max_position_embeddings = 1024
        torch.manual_seed(0)
        save_policy(LlamaForCausalLM(config), make_tokenizer(), model)
    (folder / "prompts.json").write_text(json.dumps(texts(arguments.shots)))
    found: dict[str, dict[str, Any]] = {"assay": {}, "trl": {}}
    commands = {
        "assay": [sys.executable, "-m", "bench.trl_grpo", "--worker"],
        "trl": [str(python), str(REPOSITORY / "bench" / "trl_grpo_peer.py")],
    }
    for seed in arguments.seeds:
        for threads in arguments.threads if seed == arguments.seeds[0] else arguments.threads[:1]:
            for side, command in commands.items():
                job = base | {
                    "model": str(model),
                    "prompts": str(folder / "prompts.json"),
                    "seed": seed,
                }
                job |= {
                    "steps": arguments.steps,
                    "threads": threads,
                    "out": str(folder / f"{side}{seed}{threads}"),
                }
                row = run([*command, json.dumps(job | {"samples": SAMPLES, "beta": BETA})])
                row["completions_per_second"] = (
                    base["groups"] * SAMPLES / statistics.median(row["seconds"][3:])
                )
                found[side][f"{seed}/{threads}"] = row
                say(
                    f"{side}, seed {seed}, {threads} threads: {row['completions_per_second']:.0f}"
                    f" completions/s, reward {row['rewards'][0]:.3f} ->"
                    f" {statistics.mean(row['rewards'][-LATE:]):.3f}, {row['prompt_tokens']:.0f}"
                    f" tokens a prompt, {statistics.mean(row['length'][3:]):.0f} a completion"
                )
    curves = {
        side: np.array([rows[f"{s}/{arguments.threads[0]}"]["rewards"] for s in arguments.seeds])
        for side, rows in found.items()
    }
    means, errors = (
        {k: f(v) for k, v in curves.items()}
        for f in (lambda v: v.mean(0), lambda v: v.std(0, ddof=min(1, len(v) - 1)))
    )
    errors = {k: np.nan_to_num(v) for k, v in errors.items()}
    spread = np.sqrt((errors["assay"] ** 2 + errors["trl"] ** 2) / len(arguments.seeds))
    late = {side: v[:, -LATE:].mean(1).tolist() for side, v in curves.items()}
    best = {
        side: max(row["completions_per_second"] for row in rows.values())
        for side, rows in found.items()
    }
    return {
        "steps": arguments.steps,
        "seeds": arguments.seeds,
        "reward_at": {
            str(step): {
                side: [float(means[side][step]), float(errors[side][step])] for side in curves
            }
            for step in range(0, arguments.steps, max(1, arguments.steps // 6))
        },
        "late_reward_by_seed": late,
        "steps_within_two_errors": float(
            (np.abs(means["assay"] - means["trl"]) <= 2 * spread + 1e-9).mean()
        ),
        "completions_per_second": {
            side: {name: row["completions_per_second"] for name, row in rows.items()}
            for side, rows in found.items()
        },
        "memory_mb": {
            side: max(row["memory_mb"] for row in rows.values()) for side, rows in found.items()
        },
        "prompt_tokens": found["assay"][f"{arguments.seeds[0]}/{arguments.threads[0]}"][
            "prompt_tokens"
        ],
        "best_over_best": best["assay"] / best["trl"],
    }


def texts(shots: int, count: int = 1024) -> list[str]:
    """Sums to do, each after some that are done."""
    rng = np.random.default_rng(0)
    problems = all_problems(4)[rng.integers(0, 6561, count * (shots + 1))]
    answers = [response.text for response in demonstrate(problems, rng).responses()]
    asked = [prompt.text for prompt in prompts_of(problems)]
    done = [question + answer for question, answer in zip(asked, answers, strict=True)]
    return [" ".join([*done[i * shots : (i + 1) * shots], asked[-1 - i]]) for i in range(count)]


def ours(
    model: str,
    prompts: str,
    seed: int,
    steps: int,
    threads: int,
    out: str,
    groups: int,
    samples: int,
    tokens: int,
    rate: float,
    beta: float,
    dtype: str,
) -> dict[str, Any]:
    """Our side, in this process."""
    from dataclasses import replace

    from transformers import AutoModelForCausalLM

    from assay.models.loading import load_network, load_tokenizer
    from assay.rl.loop import optimise
    from assay.rl.policy import Policy
    from assay.rl.scoring import Part
    from assay.rl.settings import RECIPES
    from assay.scorers.function import Called
    from assay.types import Prompt

    torch.set_num_threads(threads)

    def nines(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
        return [text.count("9") / tokens for text in completions]

    policy = Policy(
        load_network(AutoModelForCausalLM, Path(model), dtype=getattr(torch, dtype)),
        load_tokenizer(Path(model)),
        layout=Layout(join="", bos=False, max_length=1024),
    )
    settings = replace(
        RECIPES["grpo"],
        steps=steps,
        groups=groups,
        samples=samples,
        max_tokens=tokens,
        learning_rate=rate,
        kl=beta,
        seed=seed,
        checkpoint_every=10_000,
    )
    began = time.monotonic()
    asked = json.loads(Path(prompts).read_text())
    done = optimise(
        policy,
        [Prompt.of(text) for text in asked],
        [Part(name="nines", scorer=Called(nines))],
        settings=settings,
        out=Path(out),
        progress=False,
    )
    rows = [row for row in done.rows if "reward" in row]
    return {
        "rewards": [row["reward"] for row in rows],
        "kl": [row["kl"] for row in rows],
        "length": [row["length"] for row in rows],
        "seconds": [row["seconds"] for row in rows],
        "wall": time.monotonic() - began,
        "prompt_tokens": statistics.mean(
            len(policy.tokenizer(text)["input_ids"]) for text in asked[:50]
        ),
        "memory_mb": rows[-1]["memory_mb"],
    }


def shown(found: dict[str, Any]) -> str:
    lines = ["| step | assay | TRL |", "|---|---|---|"]
    for step, row in found["reward_at"].items():
        cells = [f"{row[side][0]:.3f} ± {row[side][1]:.3f}" for side in ("assay", "trl")]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    lines.append(f"steps within two standard errors: {found['steps_within_two_errors']:.0%}")
    lines.append(f"completions a second, best over best: {found['best_over_best']:.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
