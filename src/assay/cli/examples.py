"""One line per command that can be typed, shown under what its help says."""

from collections.abc import Mapping
from typing import Final

__all__ = ["EXAMPLES", "example"]

EXAMPLES: Final[Mapping[str, str]] = {
    "quickstart": "--small",
    "data": "check pairs.jsonl",
    "train": "rm pairs.jsonl --backbone smol --out runs/rm",
    "label": "adaptive problems.jsonl --policy path/to/lm --verifier numeric --out runs/labels",
    "score": "pool.jsonl --scorer runs/rm --out scores.jsonl",
    "eval": "pairs.jsonl --scorer runs/rm --out runs/eval",
    "benchmark": "processbench processbench.jsonl --scores scores.jsonl",
    "judge": "pairs pairs.jsonl --judge pairwise:smol --out runs/judge",
    "audit": "runs/rm pairs.jsonl --out runs/card",
    "annotate": "pool.jsonl --out runs/people",
    "arena": "run a.jsonl b.jsonl --judge longest --data problems.jsonl --out runs/arena",
    "verify": "numeric pool.jsonl --write graded.jsonl",
    "search": "beam problems.jsonl --policy path/to/lm --scorer runs/prm --n 16 --out runs/beam",
    "compare": "problems.jsonl --policy path/to/lm --scorer runs/prm --out runs/compare",
    "sft": "demonstrations.jsonl --policy smol --out runs/sft",
    "rl": "grpo problems.jsonl --policy smol --reward runs/rm --gold truth=math --out runs/rl",
    "overopt": "bon pool.jsonl --proxy rm=runs/rm --gold truth=numeric --out runs/overopt",
    "best-of-n": "pool.jsonl --scorer runs/rm --gold numeric",
    "serve": "runs/rm --port 8765",
    "runs": "runs",
    "models": "list",
    "worlds": "list",
    "plan": "train --model 8b --gpu h100 --gpus 8",
    "doctor": "",
}


def example(prog: str) -> str:
    """Return the example of what is called, such as `assay rl`, as a line; of one of its words
    nothing, but where the example is of that word."""
    _, name, *words = prog.split()
    line = f"assay {name} {EXAMPLES[name]}".rstrip()
    return (
        f"\n\nExample: {line}"
        if f"{line} ".startswith(" ".join(["assay", name, *words, ""]))
        else ""
    )
