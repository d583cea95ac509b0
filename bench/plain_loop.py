"""Tokens a second of our training step and our scoring, beside a bare transformers loop on the same
model and batches.

Both sides take turns in one process, so that whatever else the machine does hits both; the ratio is
the median of the paired ratios, with the range of their middle half. Prints one line of JSON.

    python bench/plain_loop.py                      # the shape of SmolLM2-135M, random weights
    python bench/plain_loop.py --size small         # 6 layers, 256 wide
    python bench/plain_loop.py --size tiny --pairs 128 --prompt 8 --response 8 16
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from assay.losses.bradley_terry import BradleyTerry
from assay.models.checkpoint import wrap
from assay.models.layout import Layout
from assay.models.readout import PREFERENCE
from assay.models.reward_model import RewardModel
from assay.packing.engine import Engine
from assay.scorers.local import LocalScorer
from assay.training import loop
from assay.training import optimization as descent
from assay.training.collate import encode
from assay.training.settings import Settings
from assay.types import Group, Preference, Prompt, Response

SIZES = {
    "smol": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "heads": (9, 3),
    },
    "small": {
        "hidden_size": 256,
        "intermediate_size": 768,
        "num_hidden_layers": 6,
        "heads": (4, 2),
    },
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "heads": (4, 2)},
}

SPECIAL = {"<pad>": 0, "<eos>": 1, "<bos>": 2}


def model(size: str, dtype: str, device: str) -> RewardModel:
    """A random Llama classifier with a word-level tokenizer of 49,152 words (512 for the tiny
    one)."""
    shape = dict(SIZES[size])
    heads, kv_heads = shape.pop("heads")
    words = 512 if size == "tiny" else 49_152
    config = AutoConfig.for_model(
        "llama",
        vocab_size=words,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        num_labels=1,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
        max_position_embeddings=4096,
        **shape,
    )
    core = Tokenizer(
        models.WordLevel(SPECIAL | {f"w{i}": i for i in range(3, words)}, unk_token="w3")
    )
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>"
    )
    torch.manual_seed(0)
    network = AutoModelForSequenceClassification.from_config(config).to(getattr(torch, dtype))
    wrapped = wrap(network, tokenizer, layout=Layout(max_length=4096), readout=PREFERENCE).to(
        device
    )
    # What sharing prompts buys is measured in bench/shared_prefix.py; here both sides do the same
    # work.
    wrapped.forced = Engine("plain", "asked for", 0.0)
    return wrapped


def pairs(
    count: int, prompt: int, response: tuple[int, int], rng: random.Random
) -> list[Preference]:
    """Random words: a prompt of one length, responses of lengths drawn evenly."""

    def text(length: int) -> str:
        return " ".join(f"w{rng.randrange(10, 512)}" for _ in range(length))

    return [
        Preference(
            prompt=Prompt.of(text(prompt)),
            responses=(
                Response.of(text(rng.randint(*response))),
                Response.of(text(rng.randint(*response))),
            ),
            prefer=1.0,
        )
        for _ in range(count)
    ]


def training(arguments: argparse.Namespace) -> tuple[Callable[[int], int], Callable[[int], int]]:
    """Our step and a bare one, each on its own copy of the model; they return the tokens they
    took."""
    rng = random.Random(0)
    records = pairs(
        arguments.pairs * (arguments.steps + 1), arguments.prompt, tuple(arguments.response), rng
    )
    settings = Settings(
        batch_size=arguments.pairs, micro_tokens=arguments.micro_tokens, learning_rate=1e-5
    )
    ours, bare = (model(arguments.size, arguments.dtype, arguments.device) for _ in range(2))
    examples, _ = encode(records, ours.encoder, BradleyTerry())
    task = loop.task_of(ours, examples, BradleyTerry(), settings)
    optimiser, bare_optimiser = (
        descent.optimiser_of(ours, settings),
        descent.optimiser_of(bare, settings),
    )
    network = bare.network.to(getattr(torch, arguments.dtype)).train()

    def our_step(i: int) -> int:
        batch = examples[i * arguments.pairs : (i + 1) * arguments.pairs]
        return int(descent.take_step(task, optimiser, batch, i, arguments.steps + 1)["tokens"])

    def bare_step(i: int) -> int:
        # The same pairs to a pass: sorted by length, as many as the budget allows.
        batch = sorted(
            examples[i * arguments.pairs : (i + 1) * arguments.pairs], key=lambda e: e.length
        )
        tokens = 0
        while batch:
            count = max(
                [
                    n
                    for n in range(1, len(batch) + 1)
                    if 2 * n * batch[n - 1].length <= arguments.micro_tokens
                ]
                or [1]
            )
            part, batch = batch[:count], batch[count:]
            ids = [torch.from_numpy(row).long() for e in part for row in e.ids]
            padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=0).to(
                arguments.device
            )
            rewards = network(input_ids=padded, attention_mask=(padded != 0).long()).logits.view(
                -1, 2
            )
            loss = (
                -torch.nn.functional.logsigmoid(rewards[:, 0] - rewards[:, 1]).sum()
                / arguments.pairs
            )
            loss.backward()
            tokens += sum(map(len, ids))
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        bare_optimiser.step()
        bare_optimiser.zero_grad()
        loss.item()
        return tokens

    return our_step, bare_step


def scoring(arguments: argparse.Namespace) -> tuple[Callable[[int], int], Callable[[int], int]]:
    """Our scorer and a bare loop: texts in, numbers out."""
    rng = random.Random(1)
    records = pairs(8 * (arguments.steps + 1), arguments.prompt, tuple(arguments.response), rng)
    ours, bare = (model(arguments.size, arguments.dtype, arguments.device) for _ in range(2))
    scorer = LocalScorer(ours, micro_tokens=arguments.micro_tokens)
    tokenizer, network = (
        bare.encoder.tokenizer,
        bare.network.to(getattr(torch, arguments.dtype)).eval(),
    )
    items = [(r.prompt, x) for r in records for x in r.responses]
    sizes = [len(s.ids) for s in ours.encoder.encode(items)]
    lengths = [sum(sizes[i : i + 16]) for i in range(0, len(sizes), 16)]

    def our_scores(i: int) -> int:
        scorer.score(
            [Group(prompt=r.prompt, responses=r.responses) for r in records[i * 8 : (i + 1) * 8]]
        )
        return lengths[i]

    @torch.inference_mode()
    def bare_scores(i: int) -> int:
        texts = [
            f"<bos> {r.prompt.text}\n{x.text} <eos>"
            for r in records[i * 8 : (i + 1) * 8]
            for x in r.responses
        ]
        texts.sort(key=lambda text: -text.count(" "))
        while texts:
            count = max(1, arguments.micro_tokens // (texts[0].count(" ") + 2))
            batch = tokenizer(texts[:count], padding=True, return_tensors="pt").to(arguments.device)
            network(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
            ).logits.float().cpu().tolist()
            texts = texts[count:]
        return lengths[i]

    return our_scores, bare_scores


def compare(
    sides: tuple[Callable[[int], int], Callable[[int], int]], steps: int, device: str
) -> dict[str, Any]:
    """Both sides in turn; the first of each warms up."""
    speeds: list[list[float]] = [[], []]
    for i in range(steps + 1):
        for side in (0, 1) if i % 2 else (1, 0):
            began = time.perf_counter()
            tokens = sides[side](i)
            if device == "cuda":
                torch.cuda.synchronize()
            if i:
                speeds[side].append(tokens / (time.perf_counter() - began))
    ratios = sorted(a / b for a, b in zip(*speeds, strict=True))
    ours, bare = map(statistics.median, speeds)
    quarter = len(ratios) // 4
    return {
        "ours_tokens_per_second": round(ours, 1),
        "bare_tokens_per_second": round(bare, 1),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_middle_half": [round(ratios[quarter], 3), round(ratios[-1 - quarter], 3)],
        "n": steps,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="smol")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--pairs", type=int, default=4, help="pairs a step")
    parser.add_argument("--prompt", type=int, default=256, help="tokens of a prompt")
    parser.add_argument(
        "--response", type=int, nargs=2, default=(64, 256), help="shortest and longest response"
    )
    parser.add_argument("--micro-tokens", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=None)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    result = {
        "train": compare(training(arguments), arguments.steps, arguments.device),
        "score": compare(scoring(arguments), arguments.steps, arguments.device),
    }
    print(
        json.dumps(
            vars(arguments)
            | {"threads": torch.get_num_threads(), "torch": torch.__version__}
            | result
        )
    )


if __name__ == "__main__":
    main()
