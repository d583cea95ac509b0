"""Trajectories are scored and learned turn by turn, and of them what the assistant says alone."""

import itertools
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.errors import ConfigError, RefusedRecords
from assay.losses.bradley_terry import BradleyTerry
from assay.losses.outcome import Outcome
from assay.losses.step_bce import StepBCE
from assay.models.checkpoint import wrap
from assay.models.implicit import ImplicitRewardModel
from assay.models.layout import Layout
from assay.models.policy import policy_encoder
from assay.models.readout import OUTCOME
from assay.models.reward_model import pad, share
from assay.packing.tree import grow
from assay.scorers.local import LocalScorer
from assay.scorers.log_probability import LogProbability
from assay.training import resume, sft
from assay.training.collate import IDENTICAL, collate, encode
from assay.training.loop import train
from assay.training.settings import Settings
from assay.types import (
    Group,
    Message,
    Preference,
    Prompt,
    Response,
    Score,
    StepLabels,
    ToolCall,
    Unscored,
)
from tests.models import tiny
from tests.training import planted

ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
PROMPT = Prompt(messages=(Message(role="user", content="go"),), tools=(ADD,))
CHAT = Layout(template="chat", max_length=512)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def turns(*results: str) -> tuple[Message, ...]:
    """A call of a tool before each result, and a last word."""
    call = ToolCall(name="add", arguments="{}", id="call00001")
    found: list[Message] = []
    for result in results:
        found.append(Message(role="assistant", content="", tool_calls=(call,)))
        found.append(Message(role="tool", content=result, tool_call_id=call.id))
    return (*found, Message(role="assistant", content="So."))


def trajectory(*results: str) -> Response:
    return Response.trajectory(turns(*results))


def tokenizer() -> Any:
    return tiny.tokenizer(chat_template=tiny.TOOLS)


def model(trains: Any = "outcome", layout: Layout = CHAT) -> Any:
    shape = {"hidden_size": 32, "intermediate_size": 64, "head_dim": 8}
    readout = planted.READOUTS[trains]
    layout = layout.model_copy(update={"close": trains != "process"})
    return wrap(tiny.network(**shape), tokenizer(), layout=layout, readout=readout)


def scores(scorer: Any, *responses: Response) -> list[Score]:
    (found,) = scorer.score([Group(prompt=PROMPT, responses=responses)])
    assert all(isinstance(score, Score) for score in found)
    return list(found)


@pytest.mark.parametrize("layout", [CHAT, Layout(max_length=512)])
def test_a_turns_score_is_that_of_the_trajectory_cut_there(layout: Layout) -> None:
    scorer = LocalScorer(model(layout=layout))
    whole, *cut = scores(
        scorer,
        trajectory("4", "5"),
        *(Response.trajectory(turns("4", "5")[:n]) for n in (1, 3, 5)),
    )
    assert len(whole.steps) == 3
    assert whole.value == whole.steps[-1]
    assert [score.value for score in cut] == pytest.approx(whole.steps, abs=1e-6)


def test_what_a_tool_answers_counts_although_the_steps_are_the_same() -> None:
    one, other, again = trajectory("4"), trajectory("7"), trajectory("4")
    assert one.steps == other.steps
    a, b, c = scores(LocalScorer(model()), one, other, again)
    assert a.steps[0] == pytest.approx(b.steps[0], abs=1e-6)
    assert a.value != b.value
    assert a.value == pytest.approx(c.value, abs=1e-6)


def own_log_probabilities(network: Any, sequence: Any) -> torch.Tensor:
    """By the stock model's logits alone."""
    ids = torch.tensor([sequence.ids])
    logs = network(ids).logits[0].log_softmax(-1)
    return torch.stack([logs[i - 1, sequence.ids[i]] for i in sequence.own])


@torch.no_grad()
def test_log_probabilities_are_of_the_assistants_tokens() -> None:
    network = tiny.causal().double()
    scorer = LogProbability(network, tokenizer(), layout=CHAT, mean=False)
    responses = trajectory("4"), Response.of("So."), trajectory("12", "5")
    encoded = scorer.encoder.encode([(PROMPT, response) for response in responses])
    expected = [own_log_probabilities(network, sequence) for sequence in encoded]
    found = scores(scorer, *responses)
    assert [s.value for s in found] == pytest.approx([float(e.sum()) for e in expected])
    mean = LogProbability(network, tokenizer(), layout=CHAT)
    assert [s.value for s in scores(mean, *responses)] == pytest.approx(
        [float(e.mean()) for e in expected]
    )
    image = Message(role="user", content="", parts=({"type": "image"},))
    (group,) = mean.score([Group(prompt=Prompt(messages=(image,)), responses=responses[:1])])
    assert isinstance(group[0], Unscored)
    assert "image" in group[0].reason


@torch.no_grad()
def test_implicit_rewards_are_of_the_assistants_tokens() -> None:
    made = planted.learned(planted.implicit("outcome", max_length=512)).double()
    reference, policy = made.reference, made.network
    responses = trajectory("4"), trajectory("12", "5"), Response.of("So.")
    sequences = made.encoder.encode([(PROMPT, response) for response in responses])
    expected = []
    for s in sequences:
        ratios = own_log_probabilities(policy, s) - own_log_probabilities(reference, s)
        sums = 0.1 * ratios.cumsum(0)
        expected.append([float(sums[s.own.index(read)]) for read in s.reads])
    ids, reads = [s.ids for s in sequences], [s.reads for s in sequences]
    places: Any = {"starts": [s.start for s in sequences], "spans": [s.spans for s in sequences]}
    batches = [
        pad(ids, reads, 0, **places),
        pad(ids, reads, 0, side="left", **places),
        share(grow([*map(torch.tensor, ids)], least=1), reads, **places),  # type: ignore[arg-type]
        made.collate(sequences),
    ]
    for batch in batches:
        for row, values in zip(made(batch), expected, strict=True):
            assert row[: len(values)].tolist() == pytest.approx(values)
    rewards, mask = made.token_rewards(sequences)
    assert mask.sum(-1).tolist() == [len(s.own) for s in sequences]
    assert rewards.sum(-1).tolist() == pytest.approx([values[-1] for values in expected])
    assert isinstance(made, ImplicitRewardModel)
    found = scores(LocalScorer(made), *responses)
    assert [s.value for s in found] == pytest.approx(
        [1 / (1 + math.exp(-values[-1])) for values in expected]
    )


def test_labels_of_turns_by_hand() -> None:
    made, response = model("process"), trajectory("4", "5")
    record = StepLabels(prompt=PROMPT, response=response, labels=(1.0, None, 0.0))
    (example,), dropped = encode([record], made.encoder, StepBCE())
    (sequence,) = made.encoder.encode([(PROMPT, response)])
    assert not dropped.counts
    assert example.reads[0].tolist() == [*sequence.reads]
    assert example.target[[0, 2]].tolist() == [1.0, 0.0]
    part = collate([example], StepBCE(), made.pad_id)
    assert part.terms == 2
    # At every token, each has the label of its turn.
    loss = Outcome(every_token=True)
    outcome = StepLabels(prompt=PROMPT, response=response, labels=(0.0, None, 1.0))
    made = model()
    (every,), _ = encode([outcome], made.encoder, loss)
    (sequence,) = made.encoder.encode([(PROMPT, response)])
    assert every.reads[0].tolist() == [*sequence.own]
    sizes = [b - a for a, b in sequence.spans]
    assert every.target[: sizes[0]].tolist() == [0.0] * sizes[0]
    assert every.target[-sizes[2] :].tolist() == [1.0] * sizes[2]
    assert every.target[sizes[0] : -sizes[2]].shape == (sizes[1],)


def test_runs_on_other_turns_are_other_runs() -> None:
    made = planted.implicit("outcome", max_length=512)
    record = StepLabels.outcome(PROMPT, trajectory("4"), 1.0)
    (example,), _ = encode([record], made.encoder, Outcome())
    (start, stop), *others = example.spans[0]
    moved = replace(example, spans=(((start, stop - 1), *others),))
    assert resume.of_examples([example]) != resume.of_examples([moved])


def test_templates_that_ignore_tools_are_found_before_training(tmp_path: Path) -> None:
    made = wrap(
        tiny.network(), tiny.tokenizer(chat_template=tiny.CHATML), layout=CHAT, readout=OUTCOME
    )
    records = [StepLabels.outcome(PROMPT, trajectory(x), 1.0) for x in "12"]
    with pytest.raises(RefusedRecords, match="the chat template ignores definitions of tools"):
        train(made, records, loss=Outcome(), settings=Settings(), out=tmp_path, progress=False)
    (found,) = LocalScorer(made).score([Group(prompt=PROMPT, responses=(trajectory("1"),))])
    assert isinstance(found[0], Unscored)
    assert "ignores definitions of tools" in found[0].reason


def outcomes(count: int, seed: int) -> list[StepLabels]:
    """A trajectory is right where the tool's last answer is "y": no word of the assistant tells."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        results = rng.choices("ny", k=rng.randint(1, 2))
        call = ToolCall(name="f")
        said = [Message(role="assistant", content="", tool_calls=(call,)) for _ in results]
        told = [Message(role="tool", content=result) for result in results]
        rounds = itertools.chain.from_iterable(zip(said, told, strict=True))
        response = Response.trajectory((*rounds, Message(role="assistant", content=".")))
        found.append(StepLabels.outcome(Prompt.of("q"), response, float(results[-1] == "y")))
    return found


def test_what_tools_answer_is_learnt(tmp_path: Path) -> None:
    done = train(
        planted.model("outcome", max_length=128),
        outcomes(96, 0),
        loss=Outcome(),
        settings=Settings(epochs=3, batch_size=8, learning_rate=1e-2),
        out=tmp_path,
        held_out=outcomes(40, 1),
        progress=False,
    )
    assert done.held_out_accuracy is not None
    assert done.held_out_accuracy > 0.9
    assert done.parity < 1e-4


def test_preferences_between_trajectories() -> None:
    made, loss = model("preference"), BradleyTerry()
    pair = Preference(prompt=PROMPT, responses=(trajectory("4"), trajectory("5")), prefer=1.0)
    same = Preference(prompt=PROMPT, responses=(trajectory("4"),) * 2, prefer=1.0)
    (example,), dropped = encode([pair, same], made.encoder, loss)
    assert [ids.tolist() for ids in example.ids] == [
        [*s.ids] for s in made.encoder.encode([(PROMPT, r) for r in pair.responses])
    ]
    assert [*dropped.counts] == [IDENTICAL]
    part = collate([example], loss, made.pad_id)
    assert part.values(made(part.batch)).shape == (1, 2, 2)


@pytest.mark.parametrize("layout", [CHAT, Layout(max_length=512)])
def test_fine_tuning_learns_what_the_assistant_says_and_where_it_ends(layout: Layout) -> None:
    network, tok = tiny.causal().double().train(), tokenizer()
    network.get_input_embeddings().padding_idx = None
    encoder = policy_encoder(tok, layout)
    responses = trajectory("4"), Response.of("So."), trajectory("12", "5")
    items = [(PROMPT, response) for response in responses]
    examples, dropped = sft.encode(items, encoder, [tok.eos_token_id])
    assert not dropped.counts
    first = examples[0]
    learned = tok.decode([int(first.ids[0][i]) for i in first.reads[0]])
    call = '\n<tool_call>\n{"name": "add", "arguments": {}}\n</tool_call>'
    said = call if layout.template == "chat" else "add({})"
    assert learned == f"{said}<|im_end|>So.<|im_end|>"
    logs = []
    for example in examples:
        logits = network(torch.tensor(example.ids[0], dtype=torch.long)[None]).logits[0]
        every = logits.log_softmax(-1)
        logs += [every[i - 1, int(example.ids[0][i])] for i in example.reads[0].tolist()]
    expected = -torch.stack(logs).mean()
    for budget in (10_000, 1):
        network.zero_grad()
        parts = sft.cut(network, examples, budget)
        assert sft.accumulate(network, parts) == pytest.approx(expected.item(), rel=1e-9)


def test_turns_that_nothing_ends_are_refused() -> None:
    with pytest.raises(ConfigError, match="no token after a response ends it"):
        sft.encode([(PROMPT, trajectory("4"))], policy_encoder(tokenizer(), CHAT), [300])


def test_preferences_that_differ_in_what_tools_answer_are_shown() -> None:
    pair = Preference(prompt=PROMPT, responses=(trajectory("4"), trajectory("5")), prefer=1.0)
    assert sft.demonstrations([pair]).items == ((PROMPT, pair.responses[0]),)
