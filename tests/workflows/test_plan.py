"""Plans by hand: time, money, what fits and what would."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from assay import cli
from assay.cli.label import LabelMonteCarlo
from assay.cli.plan import COMMANDS, like
from assay.cli.rl import Command as RlCommand
from assay.cli.score import Command as ScoreCommand
from assay.cli.train import Command
from assay.data import io
from assay.errors import ConfigError
from assay.losses.bradley_terry import BradleyTerry
from assay.rl.settings import Settings as RlSettings
from assay.runs.settings import write_run
from assay.specs.generators import Policy
from assay.training.settings import Settings
from assay.types import Preference, Prompt, Response
from assay.workflows.plan import Job, Label, Plan, Rl, Score, Train, plan
from tests import tiny_models

SMALL = Train(model="135m", dtype="float32", micro_tokens=512, prompt=64, response=64)


def test_time_and_money_of_a_measured_speed() -> None:
    job = replace(SMALL, records=1_000_000, gpus=4, tokens_per_second=10_000.0, price=3.0)
    found = plan(job)
    # A pair is twice 64 + 64 tokens: where weights are cut among GPUs a prompt is read twice.
    (part,) = found.parts
    assert part.tokens == 256e6
    assert part.seconds == pytest.approx(256e6 / 40_000)
    assert found.gpu_hours * 3.0 == pytest.approx(256e6 / 10_000 / 3600 * 3)
    assert "money: 21.33" in str(found)
    (alone,) = plan(replace(job, gpus=1)).parts
    assert alone.tokens == 192e6
    assert "given" in part.source


def test_time_of_an_assumed_share_of_the_peak() -> None:
    (part,) = plan(replace(SMALL, records=1000, gpu="a100-80", utilisation=0.5)).parts
    products = 30 * (2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536 + 2 * 576) + 2 * 576
    operations = 3 * (2 * products + 2 * 30 * 576 * 128)
    assert part.seconds == pytest.approx(192_000 * operations / (19.5e12 * 0.5))
    assert "assumed" in part.source
    (again,) = plan(replace(SMALL, records=1000, gradient_checkpointing=True)).parts
    (once,) = plan(replace(SMALL, records=1000)).parts
    assert again.seconds == pytest.approx(once.seconds * 4 / 3)


def test_money_is_unknown_without_a_price() -> None:
    assert "money: not known without --price" in str(plan(SMALL))


@pytest.mark.parametrize(
    "job",
    [
        Train(model="8b", gpu="4090", micro_tokens=4096, prompt=256, response=256),
        # What lies beside a policy's training has to fit as well.
        Rl(model="8b", gpus=8, reward="8b"),
        Train(model="8b", gpus=4, dtype="float32"),
    ],
)
def test_what_does_not_fit_says_what_would_and_it_does(job: Train) -> None:
    found = plan(job)
    assert not found.fits
    assert any("--lora" in remedy for remedy in found.remedies)
    assert any(remedy.startswith("--gradient-checkpointing") for remedy in found.remedies)
    for remedy in found.remedies:
        words = remedy.partition(":")[0].replace("checkpointing", "checkpointing 1").split()
        names = [word.removeprefix("--").replace("-", "_") for word in words[::2]]
        values = [int(word) if word.isdigit() else word for word in words[1::2]]
        changed: dict[str, Any] = dict(zip(names, values, strict=True))
        better = plan(replace(job, **changed))
        assert better.fits, remedy
        assert f" {better.bytes / 1e9:,.1f} GB" in remedy


def test_copies_are_on_as_few_gpus_as_hold_one() -> None:
    one = plan(Score(model="8b", gpus=8))
    assert (one.together, one.fits) == (1, True)
    large = plan(Score(model="70b", gpus=8, tokens_per_second=1000.0, records=1000))
    assert (large.together, large.fits) == (2, True)
    assert large.parts[0].seconds == pytest.approx(1000 * 1024 / 8000)
    # The third GPU holds no copy, and does nothing.
    odd = plan(Score(model="70b", gpus=3, tokens_per_second=1000.0, records=1000))
    assert odd.parts[0].seconds == pytest.approx(1000 * 1024 / 2000)
    assert "GPUs without one: 1" in str(odd)
    assert "is a server's" in str(odd)
    assert "is a server's" not in str(one)
    none = plan(Score(model="70b", gpus=1))
    assert not none.fits
    assert not none.parts
    assert any(remedy.startswith("--gpus 2") for remedy in none.remedies)


def test_rollouts_are_counted_and_written_as_memory_lets() -> None:
    job = Label(model="1b", records=100, steps=5, rollouts=4.0, response=200)
    reading, writing = plan(job).parts
    assert reading.tokens == 100 * 456
    assert writing.tokens == 100 * 4 * 4 * 100
    # Twice the bandwidth is half the time, as long as no peak is in the way.
    fast = plan(replace(job, bandwidth=job.bandwidth / 2)).parts[1]
    assert fast.seconds > writing.seconds * 1.5


def test_a_policys_reference_and_reward_are_held_beside_it() -> None:
    job = Rl(model="1b", gradient_checkpointing=True)
    alone, judged = plan(job), plan(replace(job, reward="8b"))
    assert judged.others - alone.others == pytest.approx(2 * 7_504_928_768, rel=1e-6)
    assert alone.others - plan(replace(job, lora=8)).others > 2 * 1.2e9
    assert [part.what for part in judged.parts][-2:] == ["rewards", "training"]


def test_several_gpus_each_gather_the_policy_to_write_and_hold_the_reward_model() -> None:
    job = Rl(model="8b", gpus=8, lora=16, gradient_checkpointing=True)
    alone, judged = plan(job), plan(replace(job, reward="1b"))
    one = plan(replace(job, gpus=1, reward="1b")).others - plan(replace(job, gpus=1)).others
    assert judged.others - alone.others == pytest.approx(one)
    memory = alone.memory
    writes = memory.weights + memory.gradients + memory.optimiser + 2 * 7_504_928_768
    assert writes < alone.bytes


@pytest.mark.parametrize(
    ("job", "says"),
    [
        (Score(gpu="h10"), "did you mean h100"),
        (Score(gpus=0), "gpus is 0"),
        (Train(model="9t"), "neither a folder nor a shape"),
        (replace(SMALL, price=-1.0), "price is -1"),
        (Score(utilisation=40), "utilisation is 40, a share"),
        (Label(bandwidth=60.0), "bandwidth is 60.0, a share"),
        (Job(), "there is Train"),
    ],
)
def test_what_cannot_be_planned_is_refused(job: Job, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        plan(job)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_commands_print_a_plan(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    passes = [] if name == "label" else ["--micro-tokens", "1024"]
    cli.main(["plan", name, "--model", "135m", *passes])
    assert "memory a GPU" in capsys.readouterr().out


ABOUT = {
    "gpu gpus price utilisation bandwidth tokens_per_second": "of the machine",
    "model records prompt response responses steps rollouts": "counted: of the model, and of data",
    "rl_steps": "steps, which `plan label` has for those of a solution",
}
"""Options of a plan that are in numbers what the command is given, or what it runs on."""
PLANNED: dict[str, tuple[type, ...]] = {
    "train": (Command, Settings),
    "score": (ScoreCommand,),
    "label": (LabelMonteCarlo, Policy),
    "rl": (RlCommand, RlSettings),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_plan_offers_the_command_has(name: str) -> None:
    known = {word for words in ABOUT for word in words.split()}
    own = {field.name: field.default for part in PLANNED[name] for field in fields(part)}
    for field in fields(COMMANDS[name]):
        if field.name in known:
            continue
        assert field.name in own, f"plan {name} --{field.name}"
        # A plan names the precision that the command finds, and a reward that it must be given.
        if field.name not in ("dtype", "reward"):
            assert field.default == own[field.name], f"plan {name} --{field.name}"


def test_a_folder_without_a_part_is_not_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_models.save_causal(tmp_path / "m", "qwen2.5")
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(SystemExit) as stop:
        cli.main(["plan", "score", "--model", str(folder)])
    assert stop.value.code == 2
    assert f"{folder} lacks model-00001-of-00002.safetensors" in capsys.readouterr().err


def test_the_command_fails_where_nothing_fits(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["plan", "score", "--model", "70b"])
    assert stop.value.code == 2
    assert "what would fit" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["tokens-per-second", "micro-tokens"])
def test_nothing_is_taken_that_would_not_be_used(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["plan", "label", "--model", "135m", f"--{option}", "5"])
    assert stop.value.code == 2
    assert option in capsys.readouterr().err


def test_a_plan_is_a_value() -> None:
    assert isinstance(plan(SMALL), Plan)
    assert plan(SMALL) == plan(SMALL)


@pytest.mark.parametrize(("weights", "bytes_"), [("int8", 1.0), ("nf4", 0.5625), ("int4", 0.53125)])
def test_matrices_in_fewer_bits_take_less(weights: Any, bytes_: float) -> None:
    job = Score(model="135m", micro_tokens=512, prompt=64, response=64)
    matrices = 30 * (2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536)
    whole, few = plan(job), plan(replace(job, weights=weights))
    assert whole.memory.weights - few.memory.weights == matrices * (2 - bytes_)
    # One of them is made whole for its product.
    assert few.memory.activations - whole.memory.activations == 576 * 1536 * 2
    assert f"matrices in {weights}, the rest in bfloat16" in str(few)


def test_a_model_that_does_not_fit_may_fit_in_fewer_bits() -> None:
    job = Score(model="32b", gpu="l40s")
    found = plan(job)
    assert not found.fits
    assert any("--weights" in remedy for remedy in found.remedies)
    assert plan(replace(job, weights="nf4")).fits
    assert not any(
        "--weights" in r for r in plan(replace(job, gpu="4090", weights="int8")).remedies
    )


def test_a_training_run_is_planned_from_its_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = Preference(
        prompt=Prompt.of("q"), responses=(Response.of("a"), Response.of("b")), prefer=1.0
    )
    io.write([record] * 7, tmp_path / "pairs.jsonl")
    settings = Settings(lora=8, micro_tokens=512, gradient_checkpointing=True, epochs=2.0)
    run = Command(
        loss=BradleyTerry(),
        settings=settings,
        data=f"{tmp_path}/pairs.jsonl",
        backbone="smol",
        out=tmp_path / "rm",
        max_length=300,
        dtype="bfloat16",
    )
    write_run(tmp_path, run)
    job = like(run)
    assert (job.model, job.records, job.prompt, job.response) == ("135m", 7, 150, 150)
    assert (job.dtype, job.lora, job.micro_tokens, job.epochs) == ("bfloat16", 8, 512, 2.0)
    assert job.gradient_checkpointing
    cli.main(["plan", "train", "--from", str(tmp_path), "--gpus", "2"])
    said = capsys.readouterr()
    assert "bfloat16, on 2 x h100" in said.out
    assert "half of them prompt" in said.err
