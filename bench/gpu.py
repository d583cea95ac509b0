"""Everything that needs one GPU, in eight minutes: scoring, training, beams, rollouts and
log-probabilities of four shapes, random weights in bf16, beside padded batches and TRL; and each
attention that a packed row may have, beside the others.

    bench/gpu.sh                                    # eight minutes on one GPU
    python -m bench.gpu --tiny --device cpu         # the same in small, to see that it runs

Each shape is a process with a budget of its own, and each part within it another; what runs out of
time or memory, or fails, is a row that says so, and the rest goes on. All rows are in `--out`, a
line of JSON each, as soon as they are known.

A row has the median seconds of each side over the rounds, which take turns; the speed-up over
padded batches sorted by length; the ratio of tokens N (P + R) / (P + N R) that sharing a prompt
could buy, and the share of it that is reached; and the share of the peak of a big matrix product.
"""

import argparse
import dataclasses
import gc
import importlib.util
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import beam_scoring, head, rollouts
from bench.plain_loop import SPECIAL
from bench.shared_prefix import Case, group, padded, peak, scoring, timed, training
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from assay.models import lora
from assay.models.checkpoint import wrap
from assay.models.layout import Layout
from assay.models.log_probabilities import log_probabilities
from assay.models.readout import PREFERENCE
from assay.models.reward_model import RewardModel
from assay.models.shapes import config_of, counts_of, network_of
from assay.packing.engine import Engine, hidden
from assay.packing.packed import Attention
from assay.packing.tree import Tree, grow
from assay.scorers.local import LocalScorer

WORDS = 49_152
"""Words of the tokenizer; ids beyond them do not come."""
SHAPES = {"135m": 70, "0.5b": 80, "1b": 100, "8b": 150, "trl": 60}
"""Seconds of each shape's process: 460 of 480."""
PARTS = {
    "score": 0.25,
    "train": 0.25,
    "attention": 0.15,
    "beam": 0.1,
    "rollouts": 0.1,
    "log-probabilities": 0.1,
    "head": 0.05,
}
"""Shares of them."""

Row = dict[str, Any]


class OutOfTimeError(Exception):
    """A part's time is over."""


def main() -> None:
    """Run every shape in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="one small shape, to see that it runs")
    parser.add_argument("--seconds", type=float, help="budget of each shape")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu.jsonl"))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments)
        return
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    write(arguments.out, {"part": "machine", **machine(arguments.device)}, new=True)
    for shape in ["tiny"] if arguments.tiny else arguments.shapes:
        seconds = arguments.seconds or SHAPES.get(shape, 300)
        command = [sys.executable, "-m", "bench.gpu", *sys.argv[1:], "--worker", shape]
        try:
            subprocess.run(command, timeout=seconds + 5, check=True)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            write(arguments.out, {"shape": shape, "part": "all", "failed": str(error)[:300]})


def machine(device: str) -> Row:
    """What it runs on."""
    name = torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"
    return {"device": name, "torch": torch.__version__}


def write(path: Path, row: Row, *, new: bool = False) -> None:
    """Append a row, at once."""
    with path.open("w" if new else "a") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row), file=sys.stderr, flush=True)


def worker(shape: str, arguments: argparse.Namespace) -> None:
    """All parts of a shape; none can sink the rest."""
    whole = arguments.seconds or SHAPES.get(shape, 300)
    made: dict[str, Callable[[str, argparse.Namespace, str], Iterator[Row]]] = {
        "score": sharing,
        "train": sharing,
        "attention": attentions,
        "beam": beam,
        "rollouts": writing,
        "log-probabilities": reading,
        "head": heading,
    }
    parts = {"trl": 1.0} if shape == "trl" else {k: PARTS[k] for k in arguments.parts}
    for part, share in parts.items():
        began = time.monotonic()
        rows = trl(arguments) if part == "trl" else made[part](shape, arguments, part)
        try:
            with limited(share / sum(parts.values()) * whole):
                for row in rows:
                    write(arguments.out, {"shape": shape, "part": part, **row})
        except Exception as error:  # noqa: BLE001
            failed = f"{type(error).__name__}: {error}"[:300]
            write(arguments.out, {"shape": shape, "part": part, "failed": failed})
        del rows
        gc.collect()
        if arguments.device.startswith("cuda"):
            torch.cuda.empty_cache()
        write(arguments.out, {"shape": shape, "part": part, "took": time.monotonic() - began})


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `OutOfTimeError` within after so many seconds."""

    def stop(*_: object) -> None:
        raise OutOfTimeError(f"{seconds:.0f} s are over")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def tokenizer_of(words: int) -> Any:
    """A tokenizer of a word a token."""
    vocabulary = SPECIAL | {f"w{i}": i for i in range(3, words)}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="w3"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>"
    )


def config_for(shape: str) -> Any:
    """The configuration of a shape, with this tokenizer's special tokens."""
    config = config_of(shape)
    config.update({"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2})
    config.max_position_embeddings = 8192
    return config


def model_of(shape: str, device: str) -> RewardModel:
    """A random classifier, made where it will be."""
    torch.manual_seed(0)
    network = network_of(config_for(shape), device, torch.bfloat16)
    tokenizer = tokenizer_of(min(WORDS, counts_of(config_for(shape)).words))
    return wrap(network, tokenizer, layout=Layout(max_length=8192), readout=PREFERENCE).to(device)


def policy_of(shape: str, device: str) -> tuple[Any, Any]:
    """A random causal language model that never ends a text, and its tokenizer."""
    torch.manual_seed(0)
    config = config_for(shape)
    with torch.device(device):
        network = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    network.generation_config.eos_token_id, network.generation_config.pad_token_id = None, 0
    return network, tokenizer_of(min(WORDS, counts_of(config).words))


def _peak(arguments: argparse.Namespace) -> float:
    """Operations a second of a big matrix product; of a small one where it only has to run, for a
    processor without bf16 takes a minute for the other."""
    return peak("bfloat16", arguments.device, 256 if arguments.tiny else 0)


def cases(part: str, tiny: bool) -> list[Case]:
    """What is scored, or trained on."""
    if tiny:
        shapes = [(32, 8, 4, 1)] if part == "score" else [(32, 8, 2, 2), (32, 8, 8, 1)]
    elif part == "score":
        shapes = [(p, 128, n, 1) for p in (512, 2048) for n in (16, 64)]
    else:
        shapes = [(512, 128, 2, 8), (512, 128, 8, 2)]
    return [Case(part, "bfloat16", *shape) for shape in shapes]


def sharing(shape: str, arguments: argparse.Namespace, part: str) -> Iterator[Row]:
    """Groups scored, or trained on: padded, sorted by length, and ours."""
    ours, peer = (model_of(shape, arguments.device) for _ in range(2))
    adapters = 16 if part == "train" and shape == "8b" else 0
    if adapters:
        # AdamW's state of 8 billion parameters, twice, is more than a GPU has.
        for one in (ours, peer):
            lora.add_lora(one, adapters, 2 * adapters)
    for case in cases(part, arguments.tiny):
        groups = [group(case, random.Random(i)) for i in range(case.groups)]
        sequences = ours.encoder.encode([(g.prompt, r) for g in groups for r in g.responses])
        tree = grow([np.array(s.ids) for s in sequences])
        runs = (training if part == "train" else scoring)(ours, peer, groups, sequences)
        seconds, results = turns(runs, arguments)
        counts, tokens = counts_of(config_for(shape)), sum(tree.lengths)
        operations = 2 * counts.products * len(tree.ids_T) * (3 if part == "train" else 1)
        if adapters:
            operations = operations * 2 / 3
        ratio, speed = tokens / len(tree.ids_T), seconds["sorted"] / seconds["ours"]
        yield {
            **dataclasses.asdict(case),
            "lora": adapters,
            "engine": ours.engine.path,
            "attention": ours.engine.attention,
            "call_cost": ours.engine.piece_cost,
            "why_not_faster": ours.engine.reason,
            "tokens": tokens,
            "seconds": seconds,
            "speedup": speed,
            "token_ratio": ratio,
            "share_of_token_ratio": speed / ratio,
            "share_of_peak": operations / seconds["ours"] / _peak(arguments),
            "max_difference": float((results["ours"] - results["sorted"]).abs().max()),
        }


def turns(
    runs: dict[str, Callable[[], Any]], arguments: argparse.Namespace
) -> tuple[dict[str, float], dict[str, Any]]:
    """Median seconds and last results of sides that take turns; the first round warms up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    results: dict[str, Any] = {}
    for round_ in range(arguments.rounds + 1):
        for name, run in runs.items():
            results[name], wall, _ = timed(run, arguments.device)
            if round_:
                times[name].append(wall)
    return {name: statistics.median(some) for name, some in times.items()}, results


def attentions(shape: str, arguments: argparse.Namespace, part: str) -> Iterator[Row]:
    """Each attention of a packed row by itself: 16 and 64 responses scored, and 8 trained on, with
    why one is not there."""
    model = model_of(shape, arguments.device)
    backbone = model.backbone
    kinds: tuple[Attention, ...] = ("cascade", "varlen", "flex")
    for case in [*cases("score", arguments.tiny)[:2], cases("train", arguments.tiny)[1]]:
        train = case.kind == "train"
        groups = [group(case, random.Random(0))]
        sequences = model.encoder.encode([(g.prompt, r) for g in groups for r in g.responses])
        tree = grow([np.array(s.ids) for s in sequences])
        backbone.train(train)

        def run(kind: Attention, train: bool = train, tree: Tree = tree) -> torch.Tensor:
            engine = Engine("packed", "", 1.0, attention=kind)
            with torch.set_grad_enabled(train):
                found = hidden(backbone, tree, engine, micro_tokens=1 << 30)
                if train:
                    found.float().square().mean().backward()
                    backbone.zero_grad()
            return found.detach().float()

        runs: dict[str, Callable[[], Any]] = {}
        absent: dict[str, str] = {}
        for kind in kinds:
            try:
                run(kind)
                runs[kind] = partial(run, kind)
            except OutOfTimeError:
                raise
            # What a device does not do is what this part is to say.
            except Exception as error:  # noqa: BLE001
                absent[kind] = f"{type(error).__name__}: {error}"[:200]
        seconds, results = turns(runs, arguments)
        operations = 2 * counts_of(config_for(shape)).products * len(tree.ids_T)
        first, most = results[next(iter(runs))], _peak(arguments)
        yield {
            **dataclasses.asdict(case),
            "unique_tokens": len(tree.ids_T),
            "nodes": len(tree.nodes),
            "seconds": seconds,
            "share_of_peak": {
                kind: operations * (3 if train else 1) / taken / most
                for kind, taken in seconds.items()
            },
            "relative_difference": {
                kind: float((some - first).norm() / first.norm()) for kind, some in results.items()
            },
            "absent": absent,
        }


def heading(shape: str, arguments: argparse.Namespace, part: str) -> Iterator[Row]:
    """Log-probabilities of a head of this shape's width and words, with all gradients."""
    config = config_for(shape)
    asked = {
        "places": 64 if arguments.tiny else 4096,
        "width": config.hidden_size,
        "words": config.vocab_size,
        "dtype": "bfloat16",
    }
    settings = argparse.Namespace(**asked, device=arguments.device, rounds=arguments.rounds)
    ways = head.measure(settings)
    yield {**asked, "seconds": {way: row["seconds"] for way, row in ways.items()}, "ways": ways}


def beam(shape: str, arguments: argparse.Namespace, part: str) -> Iterator[Row]:
    """Twelve steps of a beam, scored call by call: remembered, recomputed, and all in one pass."""
    model = model_of(shape, arguments.device)
    asked = {"steps": 12, "width": 4, "each": 4}
    asked |= {"prompt": 16, "step_tokens": 4} if arguments.tiny else {}
    settings = argparse.Namespace(**{"prompt": 512, "step_tokens": 32} | asked)
    calls = beam_scoring.search(settings, random.Random(0))
    whole = calls[0].model_copy(
        update={"responses": tuple(r for call in calls for r in call.responses)}
    )

    def through(remember: int, groups: list[Any]) -> torch.Tensor:
        scorer = LocalScorer(model, remember=remember)
        found = [scorer.logits([one])[0] for one in groups]
        return torch.tensor([logits[-1] for some in found for logits in some])  # type: ignore[index]

    seconds, results = turns(
        {
            "remembered": lambda: through(1 << 20, calls),
            "recomputed": lambda: through(0, calls),
            "one pass": lambda: through(0, [whole]),
        },
        arguments,
    )
    yield {
        **vars(settings),
        "seconds": seconds,
        "cost_over_one_pass": seconds["remembered"] / seconds["one pass"],
        "max_difference": float((results["remembered"] - results["one pass"]).abs().max()),
    }


def writing(shape: str, arguments: argparse.Namespace, part: str) -> Iterator[Row]:
    """K rollouts from each of S prefixes of one solution, beside `generate`."""
    model, tokenizer = policy_of(shape, arguments.device)
    asked = {"prompt": 256, "solution": 256, "prefixes": 8, "rollouts": 8, "tokens": 32}
    if arguments.tiny:
        asked = {"prompt": 8, "solution": 8, "prefixes": 2, "rollouts": 2, "tokens": 4}
    settings = argparse.Namespace(**asked, temperature=0.0, smol=False)
    runs, sizes = rollouts.sides(settings, model, tokenizer)
    seconds, _ = turns(runs, arguments)
    count = settings.prefixes * settings.rollouts * settings.tokens
    yield {
        **asked,
        **sizes,
        "seconds": seconds,
        "tokens_per_second": {name: count / taken for name, taken in seconds.items()},
        "speedup": seconds["once"] / seconds["ours"],
    }


def reading(shape: str, arguments: argparse.Namespace, part: str) -> Iterator[Row]:
    """Log-probabilities of 16 responses to a prompt, with their gradient, beside padded batches."""
    model, _ = policy_of(shape, arguments.device)
    prompt, response, count = (16, 8, 4) if arguments.tiny else (512, 128, 16)
    rng = np.random.default_rng(0)
    top = min(WORDS, counts_of(config_for(shape)).words)
    shared = rng.integers(3, top, prompt)
    rows = [np.concatenate([shared, rng.integers(3, top, response)]) for _ in range(count)]

    def ours() -> torch.Tensor:
        with torch.inference_mode():
            found = log_probabilities(model, rows, [prompt] * count)
        return found.values_B_R.float().cpu()

    @torch.inference_mode()
    def theirs() -> torch.Tensor:
        found = []
        for start in range(0, count, 4):
            ids, mask = padded([row.tolist() for row in rows[start : start + 4]], model.device)
            logits = model(input_ids=ids, attention_mask=mask).logits[:, prompt - 1 : -1]
            chosen = ids[:, prompt:, None]
            found.append(logits.float().log_softmax(-1).gather(-1, chosen).squeeze(-1).cpu())
        return torch.cat(found)

    seconds, results = turns({"ours": ours, "padded": theirs}, arguments)
    yield {
        **{"prompt": prompt, "response": response, "count": count},
        "seconds": seconds,
        "speedup": seconds["padded"] / seconds["ours"],
        "token_ratio": count * (prompt + response) / (prompt + count * response),
        "max_difference": float((results["ours"] - results["padded"]).abs().max()),
    }


def trl(arguments: argparse.Namespace) -> Iterator[Row]:
    """Steps of TRL's `RewardTrainer` on the pairs of the part "train", where it is installed."""
    if importlib.util.find_spec("trl") is None:
        yield {"skipped": "trl is not installed"}
        return
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import RewardConfig, RewardTrainer

    class Clock(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.began: list[float] = []

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began.append(time.perf_counter())

    for shape in ["tiny"] if arguments.tiny else ["135m", "0.5b", "1b"]:
        case, model = cases("train", arguments.tiny)[0], model_of(shape, arguments.device)
        groups = [group(case, random.Random(i)) for i in range(case.groups)]
        sides = ("chosen_ids", "rejected_ids")
        rows = [
            dict(
                zip(
                    sides,
                    [
                        list(s.ids)
                        for s in model.encoder.encode([(g.prompt, r) for r in g.responses])
                    ],
                    strict=True,
                )
            )
            for g in groups
        ]
        clock, steps = Clock(), arguments.rounds + 2
        with tempfile.TemporaryDirectory() as folder:
            config = RewardConfig(
                output_dir=folder,
                per_device_train_batch_size=case.groups,
                max_steps=steps,
                save_strategy="no",
                report_to="none",
                max_length=None,
                disable_tqdm=True,
                gradient_checkpointing=False,
                use_cpu=arguments.device == "cpu",
            )
            RewardTrainer(
                model=model.network,
                args=config,
                train_dataset=Dataset.from_list(rows * steps),
                processing_class=model.encoder.tokenizer,
                callbacks=[clock],
            ).train()
        taken = [b - a for a, b in zip(clock.began[1:], clock.began[2:], strict=False)]
        yield {"of": shape, **dataclasses.asdict(case), "seconds": statistics.median(taken)}


if __name__ == "__main__":
    main()
