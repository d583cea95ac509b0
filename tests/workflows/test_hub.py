"""Models go to a hub and come back the same, with a card that says what was measured; a hub that
is on loopback."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from assay.cli import main
from assay.errors import BackendError, ConfigError
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.readout import PREFERENCE
from assay.runs.run import Run
from assay.types import Prompt, Response
from assay.workflows.hub import pull, push
from tests.models import tiny
from tests.workflows import fake_hub
from tests.workflows.fake_hub import Hub

# The hub's client hands a file to its own HTTP client the old way.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")
TOKEN = "hf_" + "s" * 34
NAME = "lab/rm"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with fake_hub.served() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield served


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a model, a curve, and files that are nobody's business."""
    folder = tmp_path_factory.mktemp("made") / "rm"
    data = folder.parent / "pairs.jsonl"
    data.write_text("{}\n")
    torch.manual_seed(0)
    model = checkpoint.wrap(
        tiny.network(), tiny.tokenizer(), layout=Layout(max_length=700), readout=PREFERENCE
    )
    with Run.open(folder, {"seed": 1}, command="train", data=[data]) as run:
        checkpoint.save(model, folder)
        run.log({"held_out_records": 40})
        for step, loss in enumerate([0.7, 0.6, 0.2, *[0.5] * 40]):
            run.log({"step": step, "eval_loss": loss, "eval_accuracy": 1 - loss})
        run.note(measured={"accuracy": "0.810 [0.700, 0.890], n=40"}, notes=["pairs that tie"])
    (folder / "samples.jsonl").write_text("private")
    return folder


def test_a_model_comes_back_as_it_went(hub: Hub, made: Path, tmp_path: Path) -> None:
    assert str(push(made, NAME)).startswith("pushed 7 files to lab/rm (private)")
    back = pull(NAME, tmp_path / "back")
    assert back.ours
    texts = [(Prompt.of("2+2?"), Response(steps=("4", "!"))), (Prompt.of("3?"), Response.of("no"))]
    here, there = checkpoint.load(made), checkpoint.load(back.folder)
    with torch.inference_mode():
        ours, theirs = (
            model(model.collate(model.encoder.encode(texts))) for model in (here, there)
        )
    assert torch.equal(ours, theirs)
    assert not [path for path in back.folder.iterdir() if path.name.startswith(".")]
    assert not {"run.json", "samples.jsonl", "metrics.jsonl"} & {*hub.repos[NAME]}
    assert hub.private[NAME]


def test_the_card_says_what_the_run_measured_and_no_path(hub: Hub, made: Path) -> None:
    push(made, NAME, public=True)
    assert not hub.private[NAME]
    card = hub.repos[NAME]["README.md"].decode()
    ((path, sha256),) = json.loads((made / "run.json").read_text())["data"].items()
    for said in (
        "# lab/rm",
        "| accuracy | 0.810 [0.700, 0.890], n=40 |",
        "* pairs that tie",
        f"| pairs.jsonl | {sha256} |",
        "| 2 | 0.2000 | 0.800 |",
        "vllm serve lab/rm ",
        "Longer inputs than 700 tokens",
        "40 records were held out",
        "without an audit",
        "without a gate",
    ):
        assert said in card
    assert str(Path(path).parent) not in card
    assert len([line for line in card.splitlines() if line.endswith("| 0.500 |")]) < 14


def test_what_is_there_is_replaced_only_when_asked(
    hub: Hub, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push(made, NAME)
    hub.repos[NAME] |= {"model-00002-of-2.safetensors": b"old", "more/notes.md": b"theirs"}
    before = dict(hub.repos[NAME])
    with pytest.raises(SystemExit):
        main(["models", "push", str(made), NAME])
    assert "holds 9 files" in capsys.readouterr().err
    assert hub.repos[NAME] == before
    main(["models", "push", str(made), NAME, "--overwrite"])
    assert "more/notes.md" in hub.repos[NAME]
    assert "model-00002-of-2.safetensors" not in hub.repos[NAME]


def test_a_push_that_broke_off_sends_no_weights_twice(hub: Hub, made: Path) -> None:
    hub.refuse = {"/commit/": 500}
    with pytest.raises(BackendError, match="answers 500"):
        push(made, NAME)
    assert list(hub.repos[NAME]) == [".gitattributes"]
    hub.refuse, hub.asked = {}, []
    push(made, NAME)
    assert "model.safetensors" in hub.repos[NAME]
    assert not [one for one in hub.asked if one.startswith("PUT")]


def test_weights_that_do_not_go_through_are_a_line(hub: Hub, made: Path) -> None:
    hub.refuse = {"PUT /lfs": 403}
    with pytest.raises(BackendError, match=r"model\.safetensors"):
        push(made, NAME)


def test_a_push_between_ours_is_not_run_over(hub: Hub, made: Path) -> None:
    hub.before_commit = lambda: hub.repos[NAME].update({"config.json": b"{}"})
    with pytest.raises(BackendError, match="somebody has pushed"):
        push(made, NAME)
    assert hub.repos[NAME]["config.json"] == b"{}"


def test_a_pull_is_whole_or_not_there(hub: Hub, made: Path, tmp_path: Path) -> None:
    push(made, NAME)
    hub.refuse = {"GET /lab/rm/resolve/" + hub.sha(NAME) + "/model.safetensors": 403}
    with pytest.raises(BackendError, match="403"):
        pull(NAME, tmp_path / "back")
    assert not (tmp_path / "back").exists()
    hub.refuse, hub.asked = {}, []
    pull(NAME, tmp_path / "back")
    assert len([one for one in hub.asked if one.startswith("GET /lab")]) < 6
    assert [path.name for path in tmp_path.glob("*back*")] == ["back"]
    with pytest.raises(ConfigError, match="not empty"):
        pull(NAME, tmp_path / "back")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_the_token_is_sent_and_never_printed(
    hub: Hub, made: Path, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.refuse = {"/preupload/": status}
    with pytest.raises(SystemExit) as ended:
        main(["models", "push", str(made), NAME])
    said = "".join(capsys.readouterr())
    assert ended.value.code == 2
    assert f"the hub answers {status}; " in said
    assert TOKEN not in said
    assert f"Bearer {TOKEN}" in hub.tokens


def test_what_cannot_be_pushed_is_refused_before_anything_is_made(
    hub: Hub, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = shutil.copytree(made, tmp_path / "half")
    body = json.loads((half / "run.json").read_text())
    (half / "run.json").write_text(json.dumps(body | {"finished": None}))
    audit = tmp_path / "audit"
    audit.mkdir()
    (audit / "audit.json").write_text(json.dumps({"reward": str(half)}))
    (audit / "card.md").write_text("### Report card\n")
    for folder, name, more, why in (
        (half, NAME, {}, "not finished"),
        (tmp_path, NAME, {}, "reward_model.json"),
        (made, "rm", {}, "owner/name"),
        (made, "lab/..", {}, "no name of the hub"),
        (made, NAME, {"audit": audit}, "not of"),
        (made, NAME, {"audit": tmp_path}, "no folder of `assay audit`"),
        (made, NAME, {"gate": tmp_path / "gate.json"}, "no gate"),
    ):
        with pytest.raises(ConfigError, match=why):
            push(folder, name, **more)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="hf auth login"):
        push(made, NAME)
    assert not hub.repos


def test_an_audit_is_in_the_card_and_ones_own_card_stays(
    hub: Hub, made: Path, tmp_path: Path
) -> None:
    (tmp_path / "audit.json").write_text(json.dumps({"reward": f"{made},weights=saved"}))
    (tmp_path / "card.md").write_text(f"### Report card of {made}\n\nIt is gamed by length.\n")
    push(made, NAME, audit=tmp_path)
    card = hub.repos[NAME]["README.md"].decode()
    assert "## Audit" in card
    assert "gamed by length" in card
    assert "without an audit" not in card
    own = shutil.copytree(made, tmp_path / "own")
    (own / "README.md").write_text("# Mine\n")
    push(own, "lab/own")
    assert hub.repos["lab/own"]["README.md"] == b"# Mine\n"
