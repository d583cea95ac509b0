"""What a step-by-step search costs beside writing the same tokens in one go and reading them once.

    python -m bench.search_cost --json
    python -m bench.search_cost --json --layers 6 --n 64 --width 16
    python -m bench.search_cost --json --device cuda --dtype bfloat16

A beam search of `steps` rounds, `n` continuations of `step-tokens` tokens a round, the best `width`
of which go on: policy and reward model have SmolLM2-135M's shape with random weights. In turns: the
search, the same search with nothing remembered between its rounds, and the least that it could
cost: one call that writes n responses of as many tokens, and one pass over all texts that the
search scored. The search's own code is what is spent outside policy and scorer. Ratios are medians
over the rounds, in processor time (on a GPU in wall-clock time), with their range.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from bench.plain_loop import SIZES, SPECIAL, model
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from assay.engines.hf import HuggingFace
from assay.models.layout import Layout
from assay.protocols import Prefix, Sampling
from assay.scorers.local import LocalScorer
from assay.search import run
from assay.search.beam import Beam
from assay.types import Group, Prompt, Response, Score, Unscored

WORDS = 49_152


class Timed:
    """Policy and scorer, with the time that is spent in them and the texts that are scored."""

    def __init__(
        self, policy: HuggingFace, scorer: LocalScorer, clock: Callable[[], float]
    ) -> None:
        self.policy, self.scorer, self.clock = policy, scorer, clock
        self.seconds = 0.0
        self.scored: list[Response] = []

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        start = self.clock()
        found = self.policy.generate(prefixes, sampling)
        self.seconds += self.clock() - start
        return found

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        start = self.clock()
        found = self.scorer.score(groups)
        self.seconds += self.clock() - start
        self.scored += [response for group in groups for response in group.responses]
        return found


def language_model(size: str, dtype: str, device: str) -> tuple[Any, Any]:
    """A shape with random weights; every word is a token."""
    shape = dict(SIZES[size])
    heads, kv = shape.pop("heads")
    config = AutoConfig.for_model(
        "llama",
        vocab_size=WORDS,
        num_attention_heads=heads,
        num_key_value_heads=kv,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
        max_position_embeddings=4096,
        **shape,
    )
    core = Tokenizer(
        models.WordLevel(SPECIAL | {f"w{i}": i for i in range(3, WORDS)}, unk_token="w3")
    )
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>"
    )
    torch.manual_seed(0)
    network = (
        AutoModelForCausalLM.from_config(config)
        .to(device=device, dtype=getattr(torch, dtype))
        .eval()
    )
    return network, tokenizer


def endless(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """No end and no padding, so that every response has its length."""
    scores = scores.clone()
    scores[:, :3] = -torch.inf
    return scores


def main() -> None:
    """Time the three ways."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=("smol", "small"), default="smol")
    parser.add_argument("--layers", type=int, default=0, help="0 = as many as the size has")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--step-tokens", type=int, default=32)
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    SIZES[a.size]["num_hidden_layers"] = a.layers or SIZES[a.size]["num_hidden_layers"]
    network, tokenizer = language_model(a.size, a.dtype, a.device)
    reward_model = model(a.size, a.dtype, a.device)
    reward_model.forced = None
    rng = random.Random(0)
    prompt = Prompt.of(" ".join(f"w{rng.randrange(10, 49_000)}" for _ in range(a.prompt - 1)))
    layout = Layout(max_length=4096, join=" ")

    def clock() -> float:
        if a.device == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    def engine(remember: int) -> HuggingFace:
        return HuggingFace(network, tokenizer, layout=layout, grammar=endless, remember=remember)

    def searched(remember: int) -> Timed:
        timed = Timed(engine(remember), LocalScorer(reward_model, remember=remember), clock)
        step = Sampling(max_tokens=a.step_tokens, stop=("\x00",))
        (result,) = run(
            Beam(n=a.n, width=a.width, max_steps=a.steps), [prompt], timed, timed, step=step
        )
        assert result.spent.generated_tokens == a.n * a.steps * a.step_tokens
        return timed

    everything = Group(prompt=prompt, responses=tuple(searched(1 << 17).scored))
    ways: dict[str, Callable[[], Any]] = {
        "search": lambda: searched(1 << 17),
        "nothing remembered": lambda: searched(0),
        "written in one go": (
            lambda: engine(0).generate(
                [Prefix(prompt)], Sampling(n=a.n, max_tokens=a.steps * a.step_tokens)
            )
        ),
        "scored in one pass": lambda: LocalScorer(reward_model, remember=0).score([everything]),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    own: list[float] = []
    for round_ in range(a.rounds + 1):
        for name, way in ways.items():
            start = clock()
            found = way()
            seconds = clock() - start
            if round_:
                times[name].append(seconds)
                if name == "search":
                    own.append((seconds - found.seconds) / seconds)
    least = [
        x + y for x, y in zip(times["written in one go"], times["scored in one pass"], strict=True)
    ]
    ratios = {
        name: [x / y for x, y in zip(times[name], least, strict=True)]
        for name in ("search", "nothing remembered")
    }
    result = {
        **vars(a),
        "generated_tokens": a.n * a.steps * a.step_tokens,
        "seconds": {name: statistics.median(some) for name, some in times.items()},
        "over_one_go_and_one_pass": {
            name: {"median": statistics.median(some), "range": [min(some), max(some)]}
            for name, some in ratios.items()
        },
        "own_code_share": {"median": statistics.median(own), "range": [min(own), max(own)]},
    }
    for name, some in ratios.items():
        print(
            f"{name}: {statistics.median(some):.2f} [{min(some):.2f}, {max(some):.2f}] times one go"
            " and one pass"
        )
    print(f"the search's own code: {statistics.median(own):.2%} of the search")
    if a.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
