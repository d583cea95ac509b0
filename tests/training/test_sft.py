"""A policy learns the responses it is shown, their end, and nothing else; a run that was killed
ends the same."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from assay.engines.hf import HuggingFace
from assay.errors import BackendError, ConfigError, DataError
from assay.models import lora
from assay.models.layout import Layout
from assay.models.policy import end_ids, policy_encoder, save_policy
from assay.protocols import Prefix, Sampling
from assay.training import sft
from assay.training.collate import Example
from assay.training.settings import Settings
from assay.training.sft import FineTuned, accumulate, cut, demonstrations, encode, fine_tune
from assay.types import Group, Preference, Prompt, Ranking, Response, StepLabels
from tests import forked
from tests.models import tiny
from tests.training import planted

PLAIN, CHAT = Layout(max_length=96), Layout(max_length=96, template="chat")
FAST = Settings(epochs=2, batch_size=16, learning_rate=5e-3)
ANSWERS = {"Name a colour.": "Blue", "What is 2 + 2?": "It is 4.", "Say yes.": "yes, yes"}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def policy(**shape: Any) -> Any:
    """Two layers, 32 wide; the same weights every time."""
    return tiny.causal(**({"hidden_size": 32, "intermediate_size": 64, "head_dim": 8} | shape))


def shown(answers: dict[str, str]) -> list[Group]:
    return [Group(prompt=Prompt.of(q), responses=(Response.of(a),)) for q, a in answers.items()]


def examples_of(records: Any, layout: Layout = PLAIN) -> list[Example]:
    tokenizer = tiny.tokenizer()
    found, dropped = encode(demonstrations(records).items, policy_encoder(tokenizer, layout), [1])
    assert not dropped.counts
    return found


def learn(
    out: Path, records: Any, settings: Settings = FAST, *, model: Any = None, **changes: Any
) -> FineTuned:
    model = policy() if model is None else model
    more = {"layout": PLAIN, "progress": False} | changes
    return fine_tune(model, tiny.tokenizer(), records, settings=settings, out=out, **more)


def rows(out: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, without what a clock decides."""
    found = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "tokens_per_second"} for row in found]


def gradients(model: Any) -> list[torch.Tensor]:
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("layout", [PLAIN, CHAT])
def test_the_loss_is_the_stock_models_own(layout: Layout) -> None:
    model = policy().double().train()
    tokenizer = tiny.tokenizer()
    # By hand: what stands before, and what is written, its end included.
    before = (
        "<|im_start|>{}\n"
        if layout is PLAIN
        else "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
    )
    pairs = [
        [tokenizer(t)["input_ids"] for t in (before.format(q), a + "<|im_end|>")]
        for q, a in ANSWERS.items()
    ]
    width = max(len(a) + len(b) for a, b in pairs)
    ids, mask, labels = (torch.full((len(pairs), width), fill) for fill in (1, 0, -100))
    for i, (a, b) in enumerate(pairs):
        size = len(a) + len(b)
        ids[i, :size], mask[i, :size], labels[i, len(a) : size] = (
            torch.tensor(a + b),
            1,
            torch.tensor(b),
        )
    # Else the end token's row, which pads, has no gradient.
    model.get_input_embeddings().padding_idx = None
    stock = model(input_ids=ids, attention_mask=mask, labels=labels)
    # The same in float64, for the stock loss is of logits in fp32.
    exact = cross_entropy(
        stock.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100
    )
    assert exact.item() == pytest.approx(stock.loss.item(), rel=1e-6)
    exact.backward()
    theirs = gradients(model)
    model.zero_grad()
    examples = examples_of(shown(ANSWERS), layout)
    assert [e.ids[0].tolist() for e in examples] == [a + b for a, b in pairs]
    assert accumulate(model, cut(model, examples, 10_000)) == pytest.approx(exact.item(), rel=1e-12)
    for ours, expected in zip(gradients(model), theirs, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-7, atol=1e-10)


def test_the_mean_does_not_depend_on_the_parts() -> None:
    model = policy().double().train()
    group = Group(
        prompt=Prompt.of("Count. " * 6),
        responses=tuple(Response.of("1 2 3 4"[: 2 * n + 1]) for n in range(4)),
    )
    examples = examples_of([*shown(ANSWERS), group])
    found = []
    for budget in (10_000, 100, 1):
        model.zero_grad()
        parts = cut(model, examples, budget)
        found.append((len(parts), accumulate(model, parts), gradients(model)))
    assert [count for count, *_ in found] == sorted({count for count, *_ in found})
    assert found[-1][0] == len(examples)
    (_, value, first), *others = found
    for _, other, other_gradients in others:
        assert other == pytest.approx(value, rel=1e-9)
        for a, b in zip(first, other_gradients, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-10)


def test_the_prompt_is_read_and_not_learned() -> None:
    model = policy().double().eval()
    (example,) = examples_of(shown({"ab": "cd"}))
    ids = example.ids[0]
    # bos a b newline | c d end: the tokens from c on are learned, the first and the end among them.
    assert example.reads[0].tolist() == [4, 5, 6]
    assert example.starts == (4,)
    assert ids[-1] == 1
    with torch.no_grad():
        logs = model(torch.from_numpy(ids).long()[None]).logits[0].log_softmax(-1)
        by_hand = -sum(float(logs[t - 1, ids[t]]) for t in (4, 5, 6)) / 3
        assert accumulate(model, cut(model, [example], 100)) == pytest.approx(by_hand, rel=1e-9)
    # No logit that names a prompt's token is pushed: a head that is only ever asked at those places
    # stays as it is.
    pushed: list[torch.Tensor] = []
    head = model.get_output_embeddings()
    handle = head.register_forward_hook(lambda _, inputs, __: pushed.append(inputs[0].detach()))
    accumulate(model, cut(model, [example], 100))
    handle.remove()
    assert {len(x) for x in pushed} == {3}


@pytest.mark.parametrize("layout", [PLAIN, CHAT])
def test_what_is_learned_is_what_is_sampled(layout: Layout, tmp_path: Path) -> None:
    settings = Settings(epochs=80, batch_size=3, learning_rate=1e-2, final_learning_rate_share=0.0)
    done = learn(tmp_path, shown(ANSWERS), settings, layout=layout)
    assert done.losses[0] > 4
    assert done.losses[-1] < 0.05
    model, tokenizer = (x.from_pretrained(tmp_path) for x in (AutoModelForCausalLM, AutoTokenizer))
    engine = HuggingFace(model, tokenizer, layout=layout)
    prefixes = [Prefix(prompt=Prompt.of(question)) for question in ANSWERS]
    found = engine.sample(prefixes, Sampling(n=1, max_tokens=20, temperature=0))
    assert [sample.response.text for (sample,) in found] == [*ANSWERS.values()]
    assert all(
        sample.response.finished and sample.ids[-1] == tokenizer.eos_token_id for (sample,) in found
    )


def test_the_saved_folder_is_a_stock_model(tmp_path: Path) -> None:
    done = learn(tmp_path, planted.preferences(40), held_out=planted.preferences(10, seed=1))
    stock = AutoModelForCausalLM.from_pretrained(tmp_path)
    ids = torch.tensor([[0, 5, 6, 7, 1, 9]])
    with torch.inference_mode():
        torch.testing.assert_close(stock(ids).logits, done.model(ids).logits, rtol=0, atol=1e-6)
    assert "_assay" not in (tmp_path / "config.json").read_text()
    assert {p.name for p in tmp_path.iterdir()} >= {"tokenizer.json", "sft.json", "metrics.jsonl"}
    assert not [p for p in tmp_path.iterdir() if p.is_dir()]


def test_adapters_learn_and_leave_a_stock_model(tmp_path: Path) -> None:
    before = policy().state_dict()
    done = learn(
        tmp_path,
        planted.preferences(60),
        Settings(epochs=3, batch_size=16, learning_rate=1e-2, lora=4),
    )
    assert done.losses[-1] < done.losses[0] - 0.2
    after = AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    assert after.keys() == done.model.state_dict().keys() == before.keys()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {name for name in after if name.endswith("_proj.weight")}


def test_a_policy_saved_in_the_middle_goes_on_with_its_adapters(tmp_path: Path) -> None:
    model = policy()
    lora.adapt(model, 2, 4)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.5)
    ids = torch.tensor([[0, 5, 6, 7]])
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "old.txt").touch()
    save_policy(model, tiny.tokenizer(), tmp_path / "policy")
    assert lora.adapted(model)
    assert [p.name for p in tmp_path.iterdir()] == ["policy"]
    assert not (tmp_path / "policy" / "old.txt").exists()
    with torch.inference_mode():
        logits = AutoModelForCausalLM.from_pretrained(tmp_path / "policy")(ids).logits
        torch.testing.assert_close(logits, model(ids).logits, rtol=0, atol=1e-5)
        assert (logits - policy()(ids).logits).abs().max() > 1e-2


def test_good_responses_by_the_kind_of_record() -> None:
    prompt, a, b, c = Prompt.of("go"), Response.of("a"), Response.of("b"), Response.of("c")
    steps = Response(steps=("1", "2"))

    def labels(*values: float | None) -> StepLabels:
        return StepLabels(prompt=prompt, response=steps, labels=values)

    def good(record: Any) -> list[str] | dict[str, int]:
        found = demonstrations([record])
        assert found.records == bool(found.items)
        return [response.text for _, response in found.items] or dict(found.passed_over)

    assert good(Preference(prompt=prompt, responses=(a, b), prefer=0.7)) == ["a"]
    assert good(Preference(prompt=prompt, responses=(a, b), prefer=0.0)) == ["b"]
    assert good(Preference(prompt=prompt, responses=(a, b), prefer=0.5)) == {"ties": 1}
    assert good(Ranking(prompt=prompt, responses=(a, b, c), grades=(1, 0, 1))) == ["a", "c"]
    assert good(Ranking(prompt=prompt, responses=(a, b), grades=(-2.0, -1.0))) == ["b"]
    assert good(Ranking(prompt=prompt, responses=(a, b), grades=(0, 0))) == {
        "without a grade above 0": 1
    }
    assert good(labels(None, 1.0)) == good(labels(0.0, 0.5)) == good(labels(1.0, None)) == ["12"]
    assert good(labels(1.0, 0.0)) == good(labels(0.0, None)) == {"with a wrong response": 1}
    assert good(labels(None, None)) == {"without a label": 1}
    assert good(Group(prompt=prompt, responses=(a, b, c))) == ["a", "b", "c"]
    assert good(Group(prompt=prompt, responses=())) == good(prompt) == {"without a response": 1}
    everything = [*planted.preferences(2), labels(0.0, 0.0)]
    assert (
        demonstrations(everything).said()
        == "2 responses of 2 records, out of 3 (1 with a wrong response)"
    )


def test_what_does_not_fit_is_counted_aloud(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # bos, 2 of the prompt, newline, response, end: a byte is a token
    texts = ["x" * 11, "x" * 12, "", "y"]
    responses = tuple(Response(steps=(text,), finished=text != "y") for text in texts)
    record = Group(prompt=Prompt.of("go"), responses=responses)
    done = learn(tmp_path / "a", [record], layout=Layout(max_length=16), progress=True)
    why = {"longer than 16 tokens": 1, "empty": 1, "unfinished": 1}
    assert (done.responses, done.dropped, done.dropped_why) == (1, 3, why)
    assert rows(tmp_path / "a")[0]["dropped"] == why
    said = capsys.readouterr().err
    assert "learning from 4 responses of 1 records, out of 1" in said
    assert (
        "3 of 4 training responses are dropped: 1 longer than 16 tokens, 1 empty, 1 unfinished"
        in said
    )
    with pytest.raises(
        DataError,
        match=(
            r"no good response is left to learn: .*; of the responses, 2 longer than 3 tokens, 1"
            r" empty"
        ),
    ):
        learn(tmp_path / "b", [record], layout=Layout(max_length=3))
    with pytest.raises(DataError, match=r"out of 1 \(1 ties\)"):
        learn(tmp_path / "b", [planted.preferences(1)[0].model_copy(update={"prefer": 0.5})])


def test_a_chat_whose_end_stops_no_generation_is_refused(tmp_path: Path) -> None:
    tokenizer = tiny.tokenizer(extra=("<|stop|>",))
    tokenizer.eos_token = "<|stop|>"
    model = policy()
    model.generation_config.eos_token_id = None
    with pytest.raises(
        ConfigError, match=r"no token after a response ends it.*<\|im_end\|>.*<\|stop\|>"
    ):
        fine_tune(
            model,
            tokenizer,
            shown(ANSWERS),
            layout=CHAT,
            settings=FAST,
            out=tmp_path,
            progress=False,
        )
    # Either will do: the model's own settings may name the end.
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids("<|im_end|>")
    encoder, ends = policy_encoder(tokenizer, CHAT), end_ids(model, tokenizer)
    found, _ = encode(demonstrations(shown(ANSWERS)).items, encoder, ends)
    assert {int(e.ids[0][-1]) for e in found} == {model.generation_config.eos_token_id}
    with pytest.raises(ConfigError, match="close=True"):
        encode([], policy_encoder(tokenizer, Layout(close=False)), ends)
    with pytest.raises(ConfigError, match="a policy does not write"):
        policy_encoder(tokenizer, Layout(separator="\n"))


def test_held_out_loss_decides_which_weights_are_kept(tmp_path: Path) -> None:
    held = [
        pair.swap().model_copy(update={"prefer": pair.prefer})
        for pair in planted.preferences(30, seed=1)
    ]
    settings = Settings(epochs=30, batch_size=16, learning_rate=1e-2, eval_every=4, patience=2)
    done = learn(tmp_path, planted.preferences(60), settings, held_out=held)
    found = [row for row in rows(tmp_path) if "eval_loss" in row]
    best = min(found, key=lambda row: row["eval_loss"])
    assert found[-1] is not best
    assert (done.best_step, done.held_out_loss) == (best["step"], best["eval_loss"])
    assert done.steps == found[-1]["step"] == best["step"] + 2 * 4
    assert done.held_out_perplexity == best["eval_perplexity"]
    examples = examples_of(held)
    stock = AutoModelForCausalLM.from_pretrained(tmp_path)
    with torch.inference_mode():
        assert accumulate(stock, cut(stock, examples, 8192)) == pytest.approx(
            best["eval_loss"], abs=1e-5
        )


def test_killed_it_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    planted.policy_killed_then_resumed(whole)
    code = (
        "import pathlib\nfrom tests.training import planted\n"
        f"planted.policy_killed_then_resumed(pathlib.Path({str(killed)!r}))"
    )
    process = forked.start(["-c", code], tmp_path / "said")
    try:
        deadline = time.monotonic() + 60
        while (
            not (killed / "metrics.jsonl").exists()
            or (killed / "metrics.jsonl").read_bytes().count(b"\n") < 13
        ):
            assert process.is_alive(), (tmp_path / "said" / "err").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        process.kill()
        process.join()
    assert (killed / "checkpoint" / "state.pt").is_file()
    assert not (killed / "sft.json").exists()
    with (killed / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 1')
    planted.policy_killed_then_resumed(killed)
    assert rows(killed) == rows(whole)
    for name in ("model.safetensors", "sft.json", "config.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


def test_a_finished_run_is_loaded_and_another_one_refused(tmp_path: Path) -> None:
    data = planted.preferences(30)
    first = learn(tmp_path, data)
    stamp = (tmp_path / "model.safetensors").stat().st_mtime_ns
    again = learn(tmp_path, data)
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == stamp
    assert again.losses == first.losses
    for a, b in zip(first.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ConfigError, match="other records;"):
        learn(tmp_path, data[:-1])
    with pytest.raises(ConfigError, match="other model;"):
        learn(tmp_path, data, model=policy(seed=1))
    learn(tmp_path, data[:-1], resume=False)
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns != stamp
    policy().save_pretrained(tmp_path / "else")
    with pytest.raises(ConfigError, match="no training run made"):
        learn(tmp_path / "else", data)
    (tmp_path / "else" / "metrics.jsonl").touch()
    (tmp_path / "else" / "training.json").touch()
    with pytest.raises(ConfigError, match="holds a reward model's run"):
        learn(tmp_path / "else", data)


@pytest.mark.parametrize(
    ("changes", "off"), [({"gradient_checkpointing": True}, 1e-5), ({"autocast": True}, 0.05)]
)
def test_options_change_no_more_than_rounding(
    changes: dict[str, Any], off: float, tmp_path: Path
) -> None:
    plain = learn(tmp_path / "plain", planted.preferences(32))
    done = learn(tmp_path / "changed", planted.preferences(32), replace(FAST, **changes))
    assert done.losses == pytest.approx(plain.losses, abs=off)


def test_memory_that_runs_out_takes_less_at_a_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = planted.preferences(32)
    whole = learn(tmp_path / "a", data)
    real, refused = sft.log_probabilities, []

    def small(model: Any, sequences: Any, starts: Any, **rest: Any) -> Any:
        if torch.is_grad_enabled() and sum(map(len, sequences)) > 100:
            refused.append(len(sequences))
            raise torch.OutOfMemoryError("out of memory")
        return real(model, sequences, starts, **rest)

    monkeypatch.setattr(sft, "log_probabilities", small)
    parts = learn(tmp_path / "b", data)
    assert parts.losses == pytest.approx(whole.losses, rel=1e-4)
    assert 0 < len(refused) < 5, "what did not fit is not tried again at every step"


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    model = policy()
    torch.nn.init.constant_(model.get_output_embeddings().weight, float("nan"))
    with pytest.raises(BackendError, match="step 1: loss nan"):
        learn(tmp_path, planted.preferences(8), model=model)
