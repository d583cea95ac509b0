"""Folders as people have them: each is loaded for what it is, or refused in one line that names
it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from assay.errors import ConfigError
from assay.models.checkpoint import create
from assay.models.device import device_of
from assay.models.layout import Layout
from assay.models.loading import load_network, load_tokenizer
from assay.models.policy import open_policy
from assay.models.readout import PREFERENCE
from assay.models.shapes import config_of, counts_of
from tests import tiny_models

pytestmark = pytest.mark.owed


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_causal(tmp_path_factory.mktemp("whole") / "m", "qwen2.5")


def rm(folder: Path, **settings: Any) -> Any:
    return create(folder, layout=Layout(), readout=PREFERENCE, **settings)


def sharded(folder: Path) -> None:
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, max_shard_size="10KB")
    (folder / "model.safetensors").unlink(missing_ok=True)


def drop_a_shard(folder: Path) -> None:
    sharded(folder)
    sorted(folder.glob("model-*.safetensors"))[1].unlink()


def cut_a_shard(folder: Path) -> None:
    sharded(folder)
    path = sorted(folder.glob("model-*.safetensors"))[1]
    path.write_bytes(path.read_bytes()[:-7])


def lose_a_tensor(folder: Path) -> None:
    sharded(folder)
    path = sorted(folder.glob("model-*.safetensors"))[1]
    state = load_file(path)
    state["another"] = state.pop(min(state))
    save_file(state, path, metadata={"format": "pt"})


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    body = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in body.items() if v is not None}))


class Evil:
    """Runs code where a pickle is read without care."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


def pickled(folder: Path, extra: Any = None) -> None:
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state | ({} if extra is None else {"extra": extra}), folder / "pytorch_model.bin")


def spoil(folder: Path, value: float) -> None:
    state = load_file(folder / "model.safetensors")
    state["model.layers.1.mlp.up_proj.weight"][3, 5] = value
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def write(name: str, content: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_text(content)


def remove(*names: str) -> Callable[[Path], Any]:
    return lambda folder: [(folder / name).unlink() for name in names]


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n"

BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no tokenizer": (
        remove("tokenizer.json", "tokenizer_config.json"),
        "has no tokenizer: there is none of",
    ),
    "a tokenizer's settings alone": (remove("tokenizer.json"), "has no tokenizer"),
    "tokenizer is a pointer": (
        write("tokenizer.json", POINTER),
        "tokenizer.json is a Git LFS pointer",
    ),
    "tokenizer cut": (
        write("tokenizer.json", '{"version": "1.0", "mod'),
        "has no tokenizer that can be loaded",
    ),
    "empty vocabulary": (lambda f: empty_vocabulary(f), "vocabulary is empty"),
    "weights are a pointer": (
        write("model.safetensors", POINTER),
        "model.safetensors is a Git LFS pointer",
    ),
    "weights cut": (lambda f: cut(f / "model.safetensors"), "is cut off or damaged"),
    "weights empty": (write("model.safetensors", ""), "is cut off or damaged"),
    "no weights": (remove("model.safetensors"), "holds no weights"),
    "weights renamed": (
        lambda f: (f / "model.safetensors").rename(f / "weights.safetensors"),
        "holds weights.safetensors, which nothing points to",
    ),
    "weights of another library": (
        lambda f: (f / "model.safetensors").rename(f / "model.gguf"),
        "holds no weights, only GGUF files",
    ),
    "a part is missing": (drop_a_shard, r"lacks model-00002-of-\d+.safetensors of \d+ parts"),
    "a part is cut": (cut_a_shard, "model-00002-of-.* is cut off or damaged"),
    "index broken": (
        lambda f: (sharded(f), write("model.safetensors.index.json", "{")(f)),
        "model.safetensors.index.json is damaged",
    ),
    "no tensor": (lambda f: save_file({}, f / "model.safetensors"), "holds no tensor"),
    "a part lacks a tensor": (
        lambda f: lose_a_tensor(f),
        r"model-00002-of-.* lacks .*, which the index says it holds",
    ),
    "no config": (remove("config.json"), "has no config.json"),
    "config broken": (write("config.json", "{"), "config.json is damaged: it is no JSON"),
    "config is a list": (write("config.json", "[]"), "config.json is damaged: it holds a list"),
    "config is a pointer": (write("config.json", POINTER), "config.json is a Git LFS pointer"),
    "unknown model type": (
        lambda f: edit(f, model_type="qwen99"),
        "of model_type 'qwen99', which transformers",
    ),
    "own code": (
        lambda f: edit(f, model_type="own", auto_map={"AutoModel": "own.Own"}),
        "its authors' own code, which auto_map names, is not run here",
    ),
    "no model type": (lambda f: edit(f, model_type=None), "has no model_type"),
    "other widths": (lambda f: edit(f, intermediate_size=96), "wrong shape|cannot be loaded"),
    "layers missing": (
        lambda f: edit(f, num_hidden_layers=3, layer_types=None),
        "lacks model.layers.2",
    ),
    "old pickle cut": (lambda f: (pickled(f), cut(f / "pytorch_model.bin")), "cannot be loaded"),
    "NaN weight": (
        lambda f: spoil(f, float("nan")),
        r"layers.1.mlp.up_proj.weight holds values that are no finite",
    ),
    "infinite weight": (lambda f: spoil(f, float("inf")), "no finite numbers"),
    **{
        f"quantised by {method}": (
            lambda f, method=method, more=more: edit(
                f, quantization_config={"quant_method": method, **more}
            ),
            rf"is quantised \({method}\)",
        )
        for method, more in {
            "bitsandbytes": {"load_in_4bit": True},
            "awq": {"bits": 4, "group_size": 128},
            "gptq": {"bits": 4, "group_size": 128},
            "compressed-tensors": {"format": "pack-quantized", "config_groups": {}},
            "fp8": {},
            "mxfp4": {},
        }.items()
    },
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty_vocabulary(folder: Path) -> None:
    body = json.loads((folder / "tokenizer.json").read_text())
    body["model"] |= {"vocab": {}, "merges": []}
    (folder / "tokenizer.json").write_text(json.dumps(body))


@pytest.mark.parametrize("what", BROKEN)
def test_a_folder_that_cannot_be_trained_is_refused_in_one_line(
    what: str, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    shutil.copytree(whole, folder)
    spoil_it, message = BROKEN[what]
    spoil_it(folder)
    for load in (rm, lambda f: open_policy(f, device="cpu", trains=True)):
        with pytest.raises(ConfigError, match=message) as caught:
            load(folder)
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    "what",
    [what for what in BROKEN if what.startswith(("weights", "a part", "index", "no tensor"))]
    + ["no config", "config broken", "unknown model type"],
)
def test_a_folder_that_cannot_be_loaded_is_not_planned(
    what: str, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    shutil.copytree(whole, folder)
    spoil_it, message = BROKEN[what]
    spoil_it(folder)
    with pytest.raises(ConfigError, match=message):
        config_of(str(folder))


def test_a_configuration_alone_is_a_shape(whole: Path, tmp_path: Path) -> None:
    shutil.copy(whole / "config.json", tmp_path)
    assert counts_of(config_of(str(tmp_path))) == counts_of(config_of(str(whole)))


def test_whole_folders_of_every_layout_are_read(whole: Path, tmp_path: Path) -> None:
    expected = AutoModelForCausalLM.from_pretrained(whole).state_dict()
    for name, change in (("parts", sharded), ("pickle", pickled)):
        folder = tmp_path / name
        shutil.copytree(whole, folder)
        change(folder)
        network, _, _ = open_policy(folder, device="cpu", trains=True)
        assert all(
            torch.equal(tensor, expected[key]) for key, tensor in network.state_dict().items()
        )
        rm(folder)


def test_a_pickle_that_is_more_than_tensors_is_not_run(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(whole, folder)
    pickled(folder, Evil(tmp_path / "trace"))
    with pytest.raises(ConfigError, match="holds more than tensors, which could run code"):
        rm(folder)
    with pytest.raises(ConfigError, match="holds more than tensors, which could run code"):
        open_policy(folder, device="cpu")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("key", ["_attn_implementation", "attn_implementation"])
@pytest.mark.parametrize(
    "attention", ["flash_attention_2", "flash_attention_3", "kernels-community/flash-attn"]
)
def test_an_attention_of_another_machine_is_replaced_and_said(
    key: str, attention: str, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "m"
    shutil.copytree(whole, folder)
    edit(folder, **{key: attention})
    ids = torch.arange(5, 30)[None]
    there = load_network(AutoModelForCausalLM, folder).eval()
    assert f"names the attention {attention}; torch's own (sdpa)" in capsys.readouterr().err
    with torch.inference_mode():
        assert torch.allclose(
            there(ids).logits, load_network(AutoModelForCausalLM, whole).eval()(ids).logits
        )


def test_a_backbone_that_names_another_machines_attention_trains(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "m"
    shutil.copytree(whole, folder)
    edit(folder, _attn_implementation="flash_attention_2")
    create(folder, layout=Layout(), readout=PREFERENCE)
    assert "names the attention flash_attention_2; torch's own (sdpa)" in capsys.readouterr().err


def test_settings_of_generation_that_are_broken_are_named(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(whole, folder)
    (folder / "generation_config.json").write_text(
        json.dumps({"num_return_sequences": 4, "do_sample": False})
    )
    with pytest.raises(ConfigError, match="cannot be loaded: Greedy methods"):
        open_policy(folder, device="cpu", trains=True)


def test_a_policy_that_could_not_be_saved_is_not_trained(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("transformers.PreTrainedConfig.save_pretrained", full)
    with pytest.raises(ConfigError, match="could not be saved again after training: No space left"):
        open_policy(whole, device="cpu", trains=True)
    open_policy(whole, device="cpu")


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (device_of("auto"), device_of("cpu")) == ("cpu", "cpu")
    for word, why in {
        "cuda": "is not available",
        "cuda:9": "is not available",
        "meta": "is not available",
        "gpu": "means nothing; there is auto, cpu",
        "": "means nothing",
        "CUDA": "means nothing",
        "cpu:3": "is not there",
    }.items():
        with pytest.raises(ConfigError, match=why):
            device_of(word)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert (device_of("auto"), device_of("cuda:1")) == ("cuda", "cuda:1")
    with pytest.raises(ConfigError, match="this machine has 2 of that kind"):
        device_of("cuda:2")


def test_toy_vocabularies_are_vocabularies(tmp_path: Path) -> None:
    from assay.worlds.arithmetic.tokenizer import make_tokenizer

    make_tokenizer().save_pretrained(tmp_path)
    assert len(load_tokenizer(tmp_path)) == len(make_tokenizer())


def test_classifiers_are_read_whole(tmp_path: Path) -> None:
    folder = tiny_models.save_classifier(tmp_path / "m", "qwen2.5")
    state = load_file(folder / "model.safetensors")
    save_file(
        state | {"stranger": torch.zeros(2)},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(ConfigError, match="holds weights nobody reads: stranger"):
        load_network(AutoModelForSequenceClassification, folder, may_hold=[])
