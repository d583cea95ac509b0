"""Two runs that differ in one setting never share a checkpoint, a line of a ledger, or a score.

Every setting is changed alone, whatever settings there are; the few that change no output are
listed with the reason.
"""

import dataclasses
import itertools
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from assay import components
from assay.cli.score import Command as Score
from assay.cli.verify import VerifyCode, VerifyMath, VerifyNumeric, VerifyRules
from assay.errors import AssayError
from assay.fingerprint import fingerprint
from assay.labelling.rollouts import Rollouts
from assay.models import checkpoint
from assay.models.implicit import ImplicitRewardModel
from assay.models.layout import Layout
from assay.models.readout import PREFERENCE
from assay.models.reward_model import RewardModel
from assay.protocols import Prefix, Sampling
from assay.rl import checkpoint as rl_checkpoint
from assay.rl import policy as rl
from assay.rl import settings as rl_settings
from assay.rl.scoring import Part
from assay.rl.transforms import PAR, Centre, Clip, Gate, LengthPenalty, Overlong, Standardise
from assay.scorers.function import Called
from assay.scorers.local import LocalScorer
from assay.scorers.lower_bound import LowerBound
from assay.scorers.reaggregate import Aggregated
from assay.scorers.verifier import Verified
from assay.search import Record
from assay.specs.generators import Policy
from assay.testing import FakeGenerator, FakeScorer
from assay.training import resume
from assay.training.settings import Settings
from assay.types import Message, Prompt, Response
from assay.verifiers import Math, Numeric
from assay.workflows.score import identity
from tests.models import tiny

pytestmark = pytest.mark.owed

SAMPLES: Final[Mapping[Any, tuple[Any, ...]]] = {
    bool: (False, True),
    int: (1, 2, 3, 7, 64),
    float: (0.25, 0.5, 0.75),
    str: ("text", "other text", "words"),
    Path: (Path("one"), Path("other")),
}


def others(value: object, hint: Any) -> Iterator[Any]:
    """Values of a field's type that differ from its value."""
    kind = get_origin(hint)
    if kind in (Union, types.UnionType):
        found: Iterator[Any] = itertools.chain.from_iterable(
            others(value, inner) for inner in get_args(hint)
        )
    elif kind is Literal:
        found = iter(get_args(hint))
    elif kind is tuple:
        inner = get_args(hint)[0]
        found = (
            ((*value, other) for other in others(None, inner))
            if isinstance(value, tuple)
            else iter(())
        )
    else:
        found = iter(SAMPLES.get(hint, ()))
    return (other for other in found if other != value)


def changes(
    settings: Any, but: Mapping[str, str] = types.MappingProxyType({}), *, whole: bool = True
) -> Iterator[tuple[str, Any]]:
    """Each field of a dataclass or a record changed alone, by name; `but` those that change no
    output.

    whole: every field can be changed alone; some settings are refused without others.
    """
    hints = get_type_hints(type(settings))
    record = not dataclasses.is_dataclass(settings)
    names = (
        list(type(settings).model_fields)
        if record
        else [f.name for f in dataclasses.fields(settings) if f.init]
    )
    assert {*but} <= {*names}, "a name on the list is of no setting"
    for name in names:
        if name in but:
            continue
        made = 0
        for other in others(getattr(settings, name), hints[name]):
            try:
                changed = (
                    type(settings)(**{**dict(settings), name: other})
                    if record
                    else dataclasses.replace(settings, **{name: other})
                )
            except (AssayError, ValueError):
                continue
            made += 1
            yield f"{name}={other!r}", changed
        assert made or not whole or hints[name] not in SAMPLES, (
            f"{type(settings).__name__}.{name} was not changed"
        )


def all_differ(
    settings: Any,
    name: Callable[[Any], object],
    but: Mapping[str, str] = types.MappingProxyType({}),
    *,
    whole: bool = True,
) -> None:
    """The base and every single change of it have names of their own."""
    named: dict[object, str] = {name(settings): "the base"}
    count = 0
    for what, changed in changes(settings, but, whole=whole):
        count += 1
        given = name(changed)
        assert given not in named, f"{what} has the name of {named[given]}"
        named[given] = what
    assert count > 0


# --- models, and what trains them
# ----------------------------------------------------------------------------------


def model(architecture: str = "llama", **changes: Any) -> RewardModel:
    network = tiny.network(architecture, **changes)
    return checkpoint.wrap(network, tiny.tokenizer(), layout=Layout(), readout=PREFERENCE)


def test_training_goes_by_every_setting() -> None:
    but = {
        "checkpoint_every": "how often a run is kept changes nothing that is learned",
        "offload": "where the parts of several processes wait changes no number",
    }
    all_differ(Settings(), resume.of_settings, but)


@pytest.mark.parametrize("name", components.names("losses"))
def test_training_goes_by_every_setting_of_a_loss(name: str) -> None:
    loss = components.load("losses", name)()
    assert resume.fingerprint(model(), loss, Settings(), [], [])["loss"] == fingerprint(loss)
    if dataclasses.fields(loss):
        all_differ(loss, fingerprint)


def test_training_goes_by_the_whole_model() -> None:
    def named(one: RewardModel) -> str:
        return resume.fingerprint(
            one, components.load("losses", "bradley-terry")(), Settings(), [], []
        )["model"]

    base = model()
    names = [
        named(base),
        named(model(seed=1)),
        named(model("qwen2")),
        named(model(rope_parameters={"rope_type": "default", "rope_theta": 5.0})),
    ]
    for _, layout in changes(base.layout):
        changed = model()
        changed.encoder.layout = layout
        names.append(named(changed))
    for _, readout in changes(base.readout):
        changed = model()
        changed.encoder.readout = readout
        names.append(named(changed))
    tokenizers = (
        tiny.bpe(),
        tiny.tokenizer(pad="<|im_start|>"),
        tiny.tokenizer(chat_template=tiny.CHATML + " "),
    )
    for tokenizer in tokenizers:
        changed = model()
        changed.encoder.tokenizer = tokenizer
        names.append(named(changed))
    for beta in (0.05, 0.1):
        for seed in (0, 1):
            policy, reference = tiny.causal(), tiny.causal(seed=seed)
            names.append(
                named(ImplicitRewardModel(policy, reference, base.encoder, beta=beta, pad_id=1))
            )
    for parameter in list(base.parameters()):
        flat = parameter.data.view(-1)
        old = flat[-1].clone()
        flat[-1] += 0.5
        names.append(named(base))
        flat[-1] = old
    assert len(set(names)) == len(names)
    assert named(base) == names[0] == named(model())


def test_a_model_has_one_name_before_and_after_it_is_saved(tmp_path: Path) -> None:
    one = model()
    before = fingerprint(one)
    checkpoint.save(one, tmp_path / "rm")
    assert fingerprint(one) == before == fingerprint(checkpoint.load(tmp_path / "rm"))
    assert fingerprint(LocalScorer(tmp_path / "rm")) == before


# --- scorers, generators, verifiers
# ---------------------------------------------------------------------------------


def test_scores_are_kept_by_the_whole_scorer() -> None:
    local, other = LocalScorer(model()), LocalScorer(model(seed=1))
    scorers = [
        None,
        local,
        other,
        Aggregated(local, "min"),
        Aggregated(local, "mean"),
        Aggregated(other, "min"),
        LowerBound(local, 1.0),
        LowerBound(local, 2.0),
        Verified(Numeric()),
        Verified(Math()),
        FakeScorer(),
        FakeScorer(rule=lambda _, response: 1.0),
        FakeScorer(rule=lambda _, response: 2.0),
        Called(len),
        Called(max),
    ]

    def named(scorer: Any) -> str:
        record = Record()
        record.name(FakeGenerator(), scorer)
        return record.scorer

    names = [named(scorer) for scorer in scorers]
    assert len(set(names)) == len(names)
    assert named(LocalScorer(model(), micro_tokens=64)) == names[1]


def test_samples_are_kept_by_every_setting_of_the_policy(tmp_path: Path) -> None:
    tiny.causal().save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    prefix = Prefix(Prompt.of("a"))

    def named(policy: Policy) -> object:
        sampling = policy.sampling()
        generator, _ = policy.open()
        record = Record()
        record.name(generator, None)
        return record._key(prefix, sampling)

    local = Policy(policy=str(tmp_path), template="plain", split="pattern", setting=("pattern=;",))
    but = {
        "policy": (
            "another folder with the same files is the same policy; other files are tried below"
        ),
        "model": "a server's",
        "api": "a server's",
        "extra": "a server's",
        "concurrency": "a server's",
        "split": "others need other settings",
        "setting": "tried below",
        "device": "the same policy elsewhere",
        "dtype": "auto is float32; bfloat16 is tried below",
        "weights": "needs a library; see tests/models/test_lowbit.py",
    }
    all_differ(local, named, but)
    assert named(dataclasses.replace(local, dtype="bfloat16")) != named(local)
    splits = [
        dataclasses.replace(local, split="pattern", setting=(f"pattern={p}",)) for p in (";", ",")
    ]
    splits += [
        dataclasses.replace(local, split=split, setting=()) for split in ("newline", "blank-line")
    ]
    names = {named(one) for one in splits}
    for change in ({"seed": 1}, {"rms_norm_eps": 0.1}):
        tiny.causal(**change).save_pretrained(tmp_path)
        names.add(named(local))
    tiny.tokenizer(chat_template=tiny.CHATML + " ").save_pretrained(tmp_path)
    names.add(named(local))
    assert len(names) == 7
    served = Policy(policy="http://127.0.0.1:1/v1", model="m")
    but = {
        "policy": "tried below",
        "template": "a local model's",
        "join": "a local model's",
        "max_length": "a local model's",
        "device": "a local model's",
        "dtype": "a local model's",
        "weights": "a local model's",
        "split": "others need other settings",
        "setting": "others need other settings",
        "extra": "tried below",
        "concurrency": "how many requests are under way",
    }
    all_differ(served, named, but)
    other = [
        dataclasses.replace(served, extra='{"top_k": 1}'),
        dataclasses.replace(served, policy="http://127.0.0.1:2/v1"),
    ]
    assert len({named(one) for one in (served, *other)}) == 3


def test_what_is_recorded_is_kept_by_the_whole_text() -> None:
    record = Record(policy="p", scorer="s")
    prompt = Prompt(messages=(Message(role="user", content="a"),))
    prompts = [
        prompt,
        *(p for _, p in changes(prompt, {"id": "a name", "messages": "below", "meta": "below"})),
    ]
    prompts += [
        Prompt.of("b"),
        Prompt(messages=(Message(role="system", content="a"),)),
        prompt.model_copy(update={"meta": {"a": 1}}),
    ]
    responses = [
        Response(steps=("a", "b")),
        Response(steps=("ab",)),
        Response(steps=("a", "b"), finished=False),
    ]
    from assay.search._record import text_key

    keys = [text_key(p, r) for p in prompts for r in responses]
    assert len(set(keys)) == len(keys)
    sampling = Sampling()
    all_differ(
        sampling,
        lambda s: record._key(Prefix(prompt), s),
        {"n": "sample k is the same however many are asked for"},
    )


def test_rollouts_are_kept_by_generator_verifier_and_sampling() -> None:
    prefix = Prefix(Prompt.of("a", reference="1"))

    def key(**given: Any) -> str:
        base: dict[str, Any] = {
            "generator": FakeGenerator(),
            "verifier": Numeric(),
            "sampling": Sampling(),
        }
        return Rollouts(**{**base, **given}).key(prefix)

    given: list[dict[str, Any]] = [
        {},
        {"generator": FakeGenerator(texts=("a",))},
        {"verifier": Math()},
        {"name": "mine"},
    ]
    given += [{"verifier": verifier} for _, verifier in changes(Math())]
    given += [{"sampling": sampling} for _, sampling in changes(Sampling(), {"n": "as above"})]
    keys = [key(**one) for one in given]
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]


# --- commands
# --------------------------------------------------------------------------------------------------


def test_scores_of_a_command_are_resumed_by_its_settings(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text("{}\n")
    scorer = LocalScorer(model())
    but = {
        "scorer": "by content, below",
        "data": "by content, below",
        "out": "a place",
        "set_aside": "rows are counted or refused, below",
        "weights": "in the name of the model that is opened",
        "micro_tokens": "changes memory and speed alone",
        "chunk": "how many are written at once",
        "executor": "the same chunks, wherever they are scored",
        "overwrite": "a place",
    }
    base = Score(scorer="x", data=str(data), out=tmp_path / "out.jsonl")

    def of(command: Score, asked: LocalScorer = scorer) -> dict[str, Any]:
        how = (command.data, command.format, command.dtype, command.device)
        aside = command.set_aside not in (None, False)
        return identity(asked, *how, set_aside=aside, texts=command.texts)

    all_differ(base, lambda command: fingerprint(of(command)), but)
    before = of(base)
    assert of(base, LocalScorer(model(seed=1))) != before
    assert of(dataclasses.replace(base, set_aside=tmp_path)) != before
    data.write_text("{} \n")
    assert of(base) != before


SCHEMA = '{"type": "object"}'


def test_verdicts_are_kept_by_every_setting_of_what_decides(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(SCHEMA)
    unimportant = (
        "data",
        "out",
        "write",
        "limit",
        "format",
        "set_aside",
        "validate",
        "overwrite",
        "executor",
    )
    but = dict.fromkeys(unimportant, "says what is judged, and not how")
    rules = VerifyRules(data="x", at_least=1, language="en", pattern=("a",), json_schema=schema)
    names = {
        "json_schema": "by content, below",
        "outside": "names of classes, below",
        "language": "a code, below",
    }
    all_differ(rules, lambda command: fingerprint(command.judge), but | names)
    before = fingerprint(rules.judge)
    assert fingerprint(dataclasses.replace(rules, language="de").judge) != before
    assert (
        fingerprint(
            dataclasses.replace(rules, outside=("tests.verifiers.test_instructions:Shouts",)).judge
        )
        != before
    )
    schema.write_text('{"type": "array"}')
    assert fingerprint(dataclasses.replace(rules).judge) != before
    judges = [VerifyCode(data="x"), VerifyMath(data="x"), VerifyNumeric(data="x"), rules]
    assert len({fingerprint(command.judge) for command in judges}) == len(judges)
    for command in judges[:3]:
        if dataclasses.fields(command.verifier):  # type: ignore[attr-defined]
            all_differ(command.verifier, fingerprint)  # type: ignore[attr-defined]


# --- reinforcement
# --------------------------------------------------------------------------------------------------


def rl_policy(seed: int = 0, layout: Layout | None = None, **more: Any) -> rl.Policy:
    return rl.Policy(
        tiny.causal(seed=seed), tiny.tokenizer(), layout=layout or Layout(join=""), **more
    )


def run_of(
    policy: rl.Policy | None = None,
    prompts: tuple[Prompt, ...] = (Prompt.of("a"),),
    part: Part | None = None,
    settings: rl_settings.Settings | None = None,
    golds: Mapping[str, Any] = types.MappingProxyType({}),
) -> str:
    """The identity of a run, as one name."""
    found = rl_checkpoint.fingerprints(
        policy or rl_policy(),
        prompts,
        [part or Part(name="rm", scorer=FakeScorer())],
        settings or rl_settings.RECIPES["rloo"],
        [],
        golds,
        None,
    )
    return fingerprint(found)


@pytest.mark.parametrize("recipe", ["rloo", "ppo", "grpo", "dapo"])
def test_reinforcement_goes_by_every_setting(recipe: str) -> None:
    policy = rl_policy()
    base = rl_settings.RECIPES[recipe]
    all_differ(base, lambda settings: run_of(policy, settings=settings), whole=False)


def test_reinforcement_goes_by_policy_prompts_and_rewards() -> None:
    prompt = Prompt.of("a")
    names = [
        run_of(),
        run_of(rl_policy(1)),
        run_of(rl_policy(split=str.split)),
        run_of(rl_policy(critic=True)),
    ]
    names += [
        run_of(rl_policy(layout=layout))
        for _, layout in changes(
            Layout(join=""),
            dict.fromkeys(
                ("template", "whole", "strip", "between", "separator", "rstrip", "final", "unread"),
                "not a policy's",
            ),
        )
    ]
    others_ = [
        prompt.model_copy(update=update)
        for update in ({"reference": "1"}, {"meta": {"a": 1}}, {"meta": {"a": 2}})
    ]
    names += [run_of(prompts=(other,)) for other in (Prompt.of("b"), *others_)]
    names += [
        run_of(prompts=(prompt, prompt)),
        run_of(golds={"g": FakeScorer()}),
        run_of(golds={"h": FakeScorer()}),
    ]
    local = [LocalScorer(model(seed=seed)) for seed in (0, 1)]
    scorers = [
        *local,
        FakeScorer(rule=lambda _, r: 1.0),
        FakeScorer(rule=lambda _, r: 2.0),
        Called(len),
        Verified(Math()),
    ]
    names += [run_of(part=Part(name="rm", scorer=scorer)) for scorer in scorers]
    base = Part(name="rm", scorer=FakeScorer())
    names += [
        run_of(part=part)
        for _, part in changes(base, {"scorer": "above", "transforms": "below"}, whole=False)
    ]
    every = [
        Centre(),
        Standardise(),
        Clip(0, 1),
        Clip(0, 2),
        PAR(2),
        PAR(3),
        LengthPenalty(0.1),
        Overlong(9, 3),
        Gate(pattern="a"),
    ]
    names += [
        run_of(part=dataclasses.replace(base, transforms=(transform,))) for transform in every
    ]
    names += [
        run_of(part=dataclasses.replace(base, transforms=order))
        for order in itertools.permutations((Centre(), Clip(0, 1)))
    ]
    assert len(set(names)) == len(names)
