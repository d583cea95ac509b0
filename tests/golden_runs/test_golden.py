"""Runs, checkpoints, ledgers and records of an earlier version are read, resumed and rerun.

`files/` was made by the version before the modules were moved. Everything goes through the
command line, in a copy.
"""

import json
import math
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from assay import cli
from assay.fingerprint import fingerprint
from assay.runs import settings as config

FILES = Path(__file__).resolve().parent / "files"
SETTINGS: dict[str, dict[str, Any]] = json.loads((FILES / "settings.json").read_text())

WORDS: dict[str, str] = {}
"""Options of the commands that were recorded, by what they are called now."""

KEYS = {"watch": "eval"}
"""Keys of rows, by what they are called now."""

BY_FROM = frozenset({"train", "sft", "rl", "score", "eval", "bestof", "benchmark"})
"""Commands that could read their settings back with `--from`."""

TIMES = frozenset({"seconds", "tokens_per_second", "memory_mb", "sha256"})
LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "peft")


def _changed() -> list[str]:
    """List libraries of another version than the golden files', which fingerprints hold."""
    made = json.loads((FILES / "train-rm" / "out" / "run.json").read_text())["versions"]
    found = [name for name in LIBRARIES if metadata.version(name) != made[name]]
    minor = ".".join(made["python"].split(".")[:2])
    return found + (["python"] if minor != f"{sys.version_info[0]}.{sys.version_info[1]}" else [])


same_libraries = pytest.mark.skipif(
    bool(_changed()), reason=f"other versions of {', '.join(_changed())}"
)


@pytest.fixture(autouse=True)
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy to work in, as the folder that commands run in."""
    shutil.copytree(FILES, tmp_path / "files", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path / "files")
    monkeypatch.syspath_prepend(FILES / "inputs")
    monkeypatch.setattr(sys, "argv", ["assay"])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def argv(name: str) -> list[str]:
    """The recorded command."""
    words: list[str] = json.loads(Path(name, "command.json").read_text())["argv"]
    return [WORDS.get(word, word) for word in words]


def again(name: str, out: str | None = None) -> None:
    """Run the recorded command again, by `run.json` where it can be read, or into another `out`."""
    words = argv(name)
    if words[0] in BY_FROM and (run := Path(name, "out", "run.json")).is_file():
        words = [words[0], "--from", str(run), *(["--out", out] if out else [])]
    elif out:
        words[words.index("--out") + 1] = out
    cli.main(words)


def rows(path: Path | str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def timeless(value: Any) -> Any:
    """Without what differs from run to run, for comparing with a tolerance."""
    if isinstance(value, dict):
        return {key: timeless(inner) for key, inner in value.items() if key not in TIMES}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


def leaves(value: Any) -> Iterator[Any]:
    """All plain values of JSON, but for the names of components."""
    if isinstance(value, dict):
        value = [inner for key, inner in value.items() if key != "component" and key not in TIMES]
    if not isinstance(value, list):
        yield value
        return
    for inner in value:
        yield from leaves(inner)


def alike(found: Any, expected: Any, where: str = "") -> None:
    """Compare all but the last digits of numbers, in which processors differ, and new fields."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), where
        for key, value in expected.items():
            name = key if key in found else KEYS.get(key, key)
            assert name in found, f"{where}: {key} is missing"
            alike(found[name], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list), where
        assert len(found) == len(expected), where
        for place, (a, b) in enumerate(zip(found, expected, strict=True)):
            alike(a, b, f"{where}[{place}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-5), where
    else:
        assert found == expected, where


def same_weights(found: Path, expected: Path) -> None:
    one, other = load_file(found), load_file(expected)
    assert one.keys() == other.keys()
    for name, tensor in other.items():
        torch.testing.assert_close(one[name], tensor, rtol=1e-3, atol=1e-4, msg=name)


# Settings


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_read_and_none_is_lost(name: str, tmp_path: Path) -> None:
    body = SETTINGS[name]["settings"]
    (tmp_path / "run.json").write_text(json.dumps({"settings": body}))
    found = config.to_json(config.read_run(tmp_path, object))
    lost = Counter(map(repr, leaves(body))) - Counter(map(repr, leaves(found)))
    # A policy's precision is auto today where it was float32: the same.
    automatic = min(lost["'float32'"], Counter(map(repr, leaves(found)))["'auto'"])
    assert not lost - Counter({"'float32'": automatic})


# Training


def _weights(out: Path) -> list[Path]:
    return sorted(path.relative_to(out) for path in out.rglob("*.safetensors"))


@same_libraries
@pytest.mark.parametrize(
    "name", ["train-rm", "train-orm", "train-prm", "train-implicit", "sft", "rl"]
)
def test_a_finished_training_is_not_done_again(name: str) -> None:
    out = Path(name, "out")
    files = [out / "metrics.jsonl", *(out / path for path in _weights(out))]
    assert len(files) > 1
    before = [(file.stat().st_mtime_ns, file.read_bytes()) for file in files]
    again(name)
    assert [(file.stat().st_mtime_ns, file.read_bytes()) for file in files] == before


@same_libraries
@pytest.mark.parametrize("name", ["train-rm-cut", "sft-cut", "rl-cut"])
def test_an_interrupted_training_is_resumed_and_ends_the_same(name: str) -> None:
    out, whole = Path(name, "out"), Path(name.removesuffix("-cut"), "out")
    state = torch.load(out / "checkpoint" / "state.pt", weights_only=True)["state"]
    kept = (out / "metrics.jsonl").read_bytes()[: state["metrics_bytes"]]
    assert state["step"] > 1
    assert kept
    again(name)
    # Its speeds are in the rows: a run that had started afresh would have written others.
    assert (out / "metrics.jsonl").read_bytes().startswith(kept)
    alike(timeless(rows(out / "metrics.jsonl")), timeless(rows(whole / "metrics.jsonl")))
    assert not (out / "checkpoint").exists()
    assert _weights(out) == _weights(whole)
    for path in _weights(whole):
        same_weights(out / path, whole / path)
    if (whole / "samples.jsonl").exists():
        alike(rows(out / "samples.jsonl"), rows(whole / "samples.jsonl"))


# Scores


@pytest.mark.parametrize("name", ["score", "score-orm", "score-prm", "score-implicit", "score-own"])
def test_a_saved_model_scores_as_it_did(name: str) -> None:
    again(name, out="new.jsonl")
    alike(rows("new.jsonl"), rows(f"{name}/out.jsonl"))


def _marked(part: Path) -> bytes:
    """Put a score that no scorer gave first: it stays where work that was paid for is kept."""
    first, *rest = part.read_bytes().splitlines(keepends=True)
    value = json.dumps(json.loads(first)["value"])
    marked = first.replace(f'"value": {value}'.encode(), f'"value": {"9" * len(value)}'.encode())
    assert marked != first
    assert len(marked) == len(first)
    part.write_bytes(b"".join([marked, *rest]))
    return part.read_bytes()


@same_libraries
@pytest.mark.parametrize("name", ["score-cut", "score-own-cut"])
def test_interrupted_scores_are_resumed(name: str) -> None:
    part = Path(name, ".out.jsonl.part")
    kept = _marked(part)
    again(name)
    assert Path(name, "out.jsonl").read_bytes().startswith(kept)
    alike(rows(f"{name}/out.jsonl")[1:], rows(f"{name.removesuffix('-cut')}/out.jsonl")[1:])
    assert not part.exists()


@same_libraries
@pytest.mark.parametrize("name", sorted(path.name for path in (FILES / "scorers").iterdir()))
def test_every_kind_of_scorer_has_the_name_it_had(name: str) -> None:
    """The scorer's fingerprint says whose scores a file holds; those of another are refused."""
    kept = _marked(Path("scorers", name, ".out.jsonl.part"))
    again(f"scorers/{name}")
    assert Path("scorers", name, "out.jsonl").read_bytes().startswith(kept)
    assert len(rows(f"scorers/{name}/out.jsonl")) == 12


@pytest.mark.parametrize("name", sorted(json.loads((FILES / "losses.json").read_text())))
def test_every_loss_has_the_name_it_had(name: str, tmp_path: Path) -> None:
    """A training is resumed where its loss has the fingerprint in the checkpoint."""
    (tmp_path / "run.json").write_text(
        json.dumps({"settings": SETTINGS[f"losses-{name}"]["settings"]})
    )
    loss = config.read_run(tmp_path, object)
    assert fingerprint(loss) == json.loads((FILES / "losses.json").read_text())[name]


# Policies


@pytest.mark.parametrize("name", ["search-sft", "search-rl"])
def test_a_saved_policy_writes_as_it_did(name: str) -> None:
    again(name, out="new")
    alike(timeless(rows("new/results.jsonl")), timeless(rows(f"{name}/out/results.jsonl")))


# Journals

RESULTS = {
    "record.jsonl": "results.jsonl",
    "ledger.jsonl": "labels.jsonl",
    "verdicts.jsonl": "verdicts.jsonl",
}


def _journal(out: Path) -> Path:
    (found,) = (out / name for name in RESULTS if (out / name).exists())
    return found


@same_libraries
@pytest.mark.parametrize(
    "name", [
        "search-beam", "search-majority", "search-sft", "search-compare",
        "label-montecarlo", "label-adaptive",
        "verify-math", "verify-numeric", "verify-rules", "verify-code",
    ],
)  # fmt: skip
def test_what_was_paid_for_is_not_paid_for_again(name: str) -> None:
    """Nobody answers where search-majority and label-montecarlo found a server."""
    out = Path(name, "out")
    journal = _journal(out)
    results = out / ("compare.json" if name == "search-compare" else RESULTS[journal.name])
    before, ended = journal.read_bytes(), results.read_text()
    again(name)
    assert journal.read_bytes() == before
    read = rows if results.suffix == ".jsonl" else (lambda path: json.loads(path.read_text()))
    now = timeless(read(results))
    results.write_text(ended)
    alike(now, timeless(read(results)))
    if name.startswith("label"):
        cost = json.loads((out / "run.json").read_text())["cost"]
        assert cost["rollouts"] == 0
        assert cost["known"] == sum(len(row["rollouts"]) for row in rows(journal))


@same_libraries
@pytest.mark.parametrize("name", ["search-beam-cut", "label-adaptive-cut", "verify-math-cut"])
def test_an_interrupted_journal_is_continued(name: str) -> None:
    out, whole = Path(name, "out"), Path(name.removesuffix("-cut"), "out")
    journal = _journal(out)
    *kept, cut = journal.read_bytes().splitlines(keepends=True)
    assert not cut.endswith(b"\n")
    again(name)
    assert journal.read_bytes().startswith(b"".join(kept))
    # Work that was not found again would be there twice.
    assert _amount(journal) == _amount(whole / journal.name)
    results = RESULTS[journal.name]
    alike(timeless(rows(out / results)), timeless(rows(whole / results)))


def _amount(journal: Path) -> int:
    """Samples and scores, rollouts, or verdicts."""
    whole = [row for row in rows(journal) if row.get("kind") != "prompt"]
    return sum(
        len(row.get("samples", row.get("scores", row.get("rollouts", [0])))) for row in whole
    )


def test_a_record_is_searched_again_without_a_policy() -> None:
    words = argv("search-beam")
    words[words.index("inputs/policy")] = ""
    words[words.index("--out") + 1] = "new"
    cli.main([*words, "--replay", "search-beam/out/record.jsonl"])
    found, expected = rows("new/results.jsonl"), rows("search-beam/out/results.jsonl")
    for row in expected:
        row.pop("spent")
    alike(found, expected)


# Measurements


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("eval", "eval.json"),
        ("bestof", "bestof.json"),
        ("benchmark", "benchmark.json"),
        ("search-compare", "compare.json"),
        ("overopt-bon", "fits.json"),
        ("overopt-report", "fits.json"),
        ("overopt-rl", "arms.json"),
    ],
)
def test_measured_anew_the_numbers_are_the_same(name: str, file: str) -> None:
    """Whatever fields are called now, every earlier number is among the new ones."""
    again(name, out="new")
    expected = _numbers(json.loads(Path(name, "out", file).read_text()))
    found = _numbers(json.loads(Path("new", file).read_text()))
    assert expected
    lost = [
        x
        for x in expected
        if not any(math.isclose(x, y, rel_tol=1e-4, abs_tol=1e-6) for y in found)
    ]
    assert not lost


def _numbers(body: Any) -> set[float]:
    return {
        float(x) for x in leaves(body) if isinstance(x, (int, float)) and not isinstance(x, bool)
    }
