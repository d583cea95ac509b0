"""How a saved reward model is served by the servers that people have, as lines to start them with.

vLLM (0.33) and SGLang (0.5.23) read the stock classifier that is saved: its one label and
`problem_type="regression"` keep them from putting a sigmoid over the logit. Their defaults differ
from the model in two ways that no score shows: float32 weights are read in half precision, and the
context is the backbone's, not the one that was trained on; both are said on the line.
"""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from assay.models.calibration import CALIBRATION
from assay.models.checkpoint import LAYERS, Manifest, read_manifest
from assay.models.heads import tensor_names
from assay.models.loading import load_tokenizer
from assay.models.readout import in_words

__all__ = ["Serving", "card", "serving"]

BY_STEP: Final = tuple(f"{name}ForSequenceClassification" for name in ("Llama", "Qwen2", "Qwen3"))
"""Classifiers that SGLang reads at every occurrence of a token."""
ELSEWHERE: Final = ("vLLM", "SGLang")


@dataclass(frozen=True, kw_only=True)
class Serving:
    """How one server serves a model."""

    server: str
    start: str = ""
    """Line that starts it; empty where it cannot serve the model."""
    scorer: str = ""
    """Word of the scorer that asks it; empty where there is none."""
    note: str = ""
    """Why it cannot, or what to know."""

    def __str__(self) -> str:
        """A few lines for a terminal."""
        lines = [f"{self.server}:", self.start and f"  {self.start}"]
        lines += [self.scorer and f"  scorer: {self.scorer}", self.note and f"  {self.note}"]
        return "\n".join(filter(None, lines))


def serving(folder: Path, *, name: str = "") -> list[Serving]:
    """Return how each server serves a saved model; no weight is loaded.

    name: what servers find it by, such as its name on the hub; its folder by default. Raises
    `ConfigError` for a folder that is none.
    """
    manifest = read_manifest(folder)
    config = json.loads((folder / "config.json").read_text())
    name = name or str(folder)
    place = shlex.quote(name)
    ours = Serving(
        server="assay", start=f"assay serve {place}", scorer="remote:http://localhost:8765"
    )
    if why := _not_elsewhere(folder, manifest, config):
        return [ours, *(Serving(server=other, note=f"cannot: {why}") for other in ELSEWHERE)]
    others = [_vllm(folder, name, manifest, config), _sglang(folder, name, manifest, config)]
    if (folder / CALIBRATION).is_file():
        said = f"; it does not know {CALIBRATION}: its probabilities are not calibrated"
        others = [replace(one, note=one.note + said) if one.start else one for one in others]
    return [ours, *others]


def _not_elsewhere(folder: Path, manifest: Manifest, config: Mapping[str, Any]) -> str:
    """Why no other server serves a model; empty where they do."""
    name = (config.get("architectures") or [""])[0]
    if manifest.implicit_beta is not None:
        return "an implicit reward model is two language models, and no classifier"
    if set(LAYERS) & tensor_names(folder):
        return "its head has two layers, and stock classifiers have one"
    if not name.endswith("ForSequenceClassification"):
        return f"it is a {name or 'model without an architecture'}, and no sequence classifier"
    return ""


def _vllm(folder: Path, name: str, manifest: Manifest, config: Mapping[str, Any]) -> Serving:
    pooler: dict[str, Any] = {"task": "classify"}
    dialect, note = "vllm", "ask POST /classify with use_activation false"
    if _by_step(manifest):
        dialect = "vllm-steps"
        pooler = {"task": "token_classify", "tok_pooling_type": "ALL"}
        note = "ask POST /pooling, which gives a row per token: steps are read where they end"
    if manifest.readout.at == "step_tag":
        pooler |= {"tok_pooling_type": "STEP", "step_tag_id": _tag(folder, manifest)}
        note = "ask POST /pooling, which gives a row per step token"
    place = shlex.quote(name)
    start = (
        f"vllm serve {place} --runner pooling --dtype {_dtype(config)}"
        f" --max-model-len {manifest.layout.max_length}"
        f" --pooler-config {shlex.quote(json.dumps(pooler))}"
    )
    word = f"remote:http://localhost:8000,dialect={dialect},layout={name},model={name}"
    return Serving(server="vLLM", start=start, scorer=word, note=note + _offset(manifest))


def _sglang(folder: Path, name: str, manifest: Manifest, config: Mapping[str, Any]) -> Serving:
    start = (
        f"python -m sglang.launch_server --model-path {shlex.quote(name)} --is-embedding"
        f" --dtype {_dtype(config)} --context-length {manifest.layout.max_length}"
    )
    if not _by_step(manifest):
        note = "ask POST /classify; /v1/classify gives 1 for every response" + _offset(manifest)
        word = f"remote:http://localhost:30000,dialect=sglang,layout={name}"
        return Serving(server="SGLang", start=start, scorer=word, note=note)
    if manifest.readout.at != "step_tag" or config["architectures"][0] not in BY_STEP:
        return Serving(
            server="SGLang",
            note=f"cannot: it reads steps at a token of their own, of {', '.join(BY_STEP)} alone",
        )
    return Serving(
        server="SGLang",
        start=f"{start} --disable-radix-cache --chunked-prefill-size -1",
        note=(
            f"ask POST /v1/score with score_extraction_token, {manifest.readout.tag!r} (token"
            f" {_tag(folder, manifest)}), which gives a row per step token" + _offset(manifest)
        ),
    )


def _by_step(manifest: Manifest) -> bool:
    return manifest.readout.at == "step_tag" or manifest.readout.aggregate != "last"


def _tag(folder: Path, manifest: Manifest) -> int:
    from assay.models.layout import single_token

    return single_token(load_tokenizer(folder), manifest.readout.tag or "")


def _dtype(config: Mapping[str, Any]) -> str:
    return str(config.get("dtype") or config.get("torch_dtype") or "float32")


def _offset(manifest: Manifest) -> str:
    readout, said = manifest.readout, ""
    if readout.weights != (1.0,):
        said += f"; the logit is the outputs' sum weighted {readout.weights}"
    if readout.offset:
        said += f"; add {readout.offset:g} to the logit"
    return said


def card(
    folder: Path,
    *,
    about: Mapping[str, str],
    data: Mapping[str, str],
    metrics: Mapping[str, str],
    notes: tuple[str, ...] = (),
    name: str = "",
    more: Mapping[str, str] | None = None,
) -> str:
    """Return a model card, the README.md beside the weights.

    about: what the model is, by name (`summary.summary`). data: SHA-256 by file. metrics: estimates
    with intervals, as texts by name. notes: what the numbers do not say.
    name: of the model, where it is not its folder. more: further sections by their titles.
    """
    manifest = read_manifest(folder)
    layout = manifest.layout.model_dump(exclude_defaults=True)
    servers = serving(folder, name=name)
    parts = [
        "---\nlibrary_name: transformers\npipeline_tag: text-classification\n"
        "tags:\n- reward-model\n- assay\n---",
        f"# {name or folder.resolve().name}",
        "A reward model: it scores responses to prompts, higher is better.",
        _table(("", ""), about),
        "## Measured on held-out data",
        _table(("metric", "value [95 % interval]"), metrics)
        if metrics
        else "Nothing was measured.",
        *(f"* {note}" for note in notes),
        "## Data",
        _table(("file", "SHA-256"), data) if data else "The data has no file.",
        *(f"## {title}\n\n{text}" for title, text in (more or {}).items()),
        "## How it is read",
        f"The network has {in_words(manifest.readout)}.",
        f"Layout, where it is not the default:\n\n```json\n{json.dumps(layout, indent=2)}\n```",
        "## How to serve it",
        *(_block(each) for each in servers),
        "`assay serve check URL --model FOLDER` says whether a server gives this model's scores.",
    ]
    return "\n\n".join(parts) + "\n"


def _block(each: Serving) -> str:
    if not each.start:
        return f"{each.server}: {each.note}."
    said = f" ({each.note})" if each.note else ""
    return f"{each.server}{said}:\n\n```sh\n{each.start}\n```"


def _table(head: tuple[str, str], rows: Mapping[str, str]) -> str:
    lines = [head, ("---", "---"), *rows.items()]
    return "\n".join(f"| {a} | {b.replace('|', chr(92) + '|')} |" for a, b in lines)
