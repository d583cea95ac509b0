"""What weights in fewer bits take and do: bytes predicted and held, seconds per pass, and scores
against the model as saved.

    python -m experiments.lowbit smol nf4 bfloat16
    python -m experiments.lowbit runs/rm int8 float32

One row a process, for memory that was had once is not all given back.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from assay.models import room
from assay.models.checkpoint import MANIFEST
from assay.models.loading import load_network
from assay.models.opening import open_model
from assay.models.policy import open_policy
from assay.models.smol import smol_folder


def resident() -> int:
    """Bytes of this process in memory, without pages of files, which the system can take back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024


def main(model: str, weights: str, dtype: str) -> None:
    """Print a row of JSON, and on standard error how close the scores are."""
    torch.set_num_threads(1)
    if weights != "saved":
        # What libraries take themselves is no part of a model.
        __import__("bitsandbytes" if weights == "nf4" else "torchao")
    folder = smol_folder() if model == "smol" else Path(model)
    scores = (folder / MANIFEST).is_file()
    auto = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
    room.give_back()
    before, peak, ended = resident(), [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    precision = getattr(torch, dtype)
    network: Any = load_network(auto, folder, weights=weights, dtype=precision)
    held = resident()
    ended.set()
    watcher.join()
    ids = torch.randint(3, 300, (8, 128), generator=torch.Generator().manual_seed(0))
    seconds = []
    with torch.inference_mode():
        for _ in range(3):
            start = time.process_time()
            network.base_model(input_ids=ids)
            seconds.append(time.process_time() - start)
    row = {
        "predicted_mb": (room.size_of(folder, precision, weights) or 0) / 1e6,
        "held_mb": (held - before) / 1e6,
        "peak_mb": (peak[0] - before) / 1e6,
        "cpu_seconds_per_pass_of_1024": min(seconds[1:]),
    }
    print(json.dumps({"model": model, "weights": weights, "dtype": dtype, **row}), flush=True)
    del network
    if scores and weights != "saved":
        open_model(str(folder), weights=weights, dtype=dtype)  # type: ignore[arg-type]
    elif weights != "saved":
        open_policy(folder, weights=weights, dtype=dtype, device="cpu")  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:4])
