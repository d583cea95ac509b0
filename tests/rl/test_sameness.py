"""Two runs that differ in anything never share a checkpoint: every setting, scorer, prompt and part
of the policy."""

import functools
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.data.splitting import SPLITTERS
from assay.errors import BackendError, ConfigError
from assay.models.checkpoint import wrap_implicit
from assay.models.layout import Layout
from assay.models.readout import OUTCOME
from assay.rl.checkpoint import fingerprints
from assay.rl.loop import optimise
from assay.rl.policy import Policy
from assay.rl.prime import ImplicitProcess
from assay.rl.scoring import Part
from assay.rl.settings import RECIPES, Settings
from assay.rl.transforms import Clip, Standardise
from assay.scorers.verifier import Verified
from assay.types import Message, Prompt, Response, Score
from assay.verifiers.answers.numeric import Numeric
from assay.worlds.arithmetic.grammar import Grammar
from assay.worlds.arithmetic.task import split_steps
from assay.worlds.arithmetic.tokenizer import make_tokenizer
from tests.rl import small

SETTINGS = replace(
    RECIPES["dapo"], steps=4, groups=4, samples=4, max_tokens=7, learning_rate=1e-3, kl=0.1
)


class By:
    """Scores by a function, and has no name of its own."""

    def __init__(self, one: Callable[[Response], Score]) -> None:
        self.one = one

    def score(self, groups: Any) -> Any:
        return [[self.one(response) for response in group.responses] for group in groups]


def times(factor: float) -> By:
    return By(lambda response: Score(value=factor * len(response.text)))


def made(**changes: Any) -> Policy:
    parts = {
        "layout": Layout(join="", max_length=64),
        "split": split_steps,
        "grammar": Grammar(3),
        "tokenizer": make_tokenizer(),
        "model": small.model(),
    } | changes
    return Policy(parts.pop("model"), parts.pop("tokenizer"), **parts)


def implicit(policy: Policy, beta: float = 0.05, **settings: Any) -> ImplicitProcess:
    layout = policy.generator.encoder.layout
    network = wrap_implicit(
        small.model(), policy.tokenizer, layout=layout, readout=OUTCOME, beta=beta
    )
    return ImplicitProcess(network, **settings)


def told(policy: Policy | None = None, **changes: Any) -> dict[str, str]:
    given: dict[str, Any] = {
        "policy": policy or made(),
        "prompts": small.PROMPTS[:4],
        "parts": [Part(name="rm", scorer=times(1.0))],
        "settings": SETTINGS,
        "held_out": small.PROMPTS[4:6],
        "golds": {"gold": times(1.0)},
        "prime": None,
    }
    return fingerprints(**(given | changes))


@functools.cache
def base() -> dict[str, str]:
    """Of a run that others differ from in one thing."""
    return told()


def differ(a: dict[str, str], b: dict[str, str]) -> set[str]:
    assert a.keys() == b.keys()
    return {name for name in a if a[name] != b[name]}


def test_the_same_is_the_same() -> None:
    assert told() == base()


def changed(name: str, value: Any) -> Any:
    """Another value of a setting, that may stand where the first does."""
    chosen = {
        "advantage": "reinforce_plus_plus",
        "whiten": "scale",
        "reduction": "sum",
        "importance": "sequence",
        "kl_estimator": "k2",
        "kl_place": "loss_with_ratio",
        "kl_target": 2.0,
        "kl_budget": 5.0,
        "dual_clip": 3.0,
        "score_timeout": 5.0,
        "top_p": 0.9,
        "drop_equal": False,
        "value_clip": 0.5,
        "kl_horizon": 5.0,
        "gae_decay": 0.5,
        "critic_learning_rate": 0.1,
        "discount": 0.5,
        "temperature": 0.5,
        "bf16_update": "stochastic",
        "combine": "gdpo",
        "shrinkage": 0.5,
        "missing": "partial",
    }
    return chosen[name] if name in chosen else value + 1


@pytest.mark.owed
@pytest.mark.parametrize("name", [f.name for f in fields(Settings)])
def test_every_setting_makes_another_run(name: str) -> None:
    settings = SETTINGS
    if name in ("discount", "gae_decay", "critic_learning_rate", "value_clip"):
        settings = replace(settings, advantage="gae")
    elif name == "kl_horizon":
        settings = replace(settings, kl_target=1.0)
    elif name == "drop_equal":
        settings = replace(settings, refill=0)
    elif name in ("combine", "spread_floor", "shrinkage"):
        combine = {"spread_floor": "gdpo", "shrinkage": "whitened"}.get(name, "sum")
        place = {"kl_place": "loss", "kl_estimator": "k2"}
        settings = replace(settings, combine=combine, **place)
    other = replace(settings, **{name: changed(name, getattr(settings, name))})
    assert differ(told(settings=settings), told(settings=other)) == {"settings"}


SPLIT = SPLITTERS["blank-lines"] if "blank-lines" in SPLITTERS else [*SPLITTERS.values()][1]


def nudged() -> Any:
    """A model of which one weight in all is another."""
    model = small.model()
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[7, 3] += 1e-3
    return model


def other_template() -> Any:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{{ messages }}"
    return tokenizer


@pytest.mark.owed
@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"layout": Layout(join=" ", max_length=64)}, {"layout"}),
        ({"layout": Layout(join="", max_length=60)}, {"layout"}),
        ({"layout": Layout(join="", max_length=64, template="chat")}, {"layout"}),
        ({"split": SPLIT()}, {"splitter"}),
        ({"grammar": Grammar(4)}, {"grammar"}),
        ({"grammar": None}, {"grammar"}),
        ({"model": nudged}, {"policy", "reference policy"}),
        ({"tokenizer": other_template}, {"tokenizer"}),
        ({"critic": True}, {"policy"}),
        ({"adapters": 2}, {"policy", "reference policy"}),
    ],
)
def test_every_part_of_a_policy_makes_another_run(changes: dict[str, Any], what: set[str]) -> None:
    built = {
        key: value() if key in ("model", "tokenizer") else value for key, value in changes.items()
    }
    if (
        "template" in str(changes)
        and changes.get("layout") is not None
        and changes["layout"].template == "chat"
    ):
        built["tokenizer"] = other_template()
        assert what <= differ(base(), told(made(**built)))
        return
    assert differ(base(), told(made(**built))) == what


@pytest.mark.owed
def test_another_reference_makes_another_run() -> None:
    policy = made()
    with torch.no_grad():
        policy.reference.model.model.norm.weight[0] += 0.5
    assert differ(base(), told(policy)) == {"reference policy"}


@pytest.mark.owed
@pytest.mark.parametrize(
    "part",
    [
        Part(name="rm", scorer=times(2.0)),
        Part(name="rm", scorer=By(lambda response: Score(value=2.0 + len(response.text)))),
        Part(name="rm", scorer=Verified(Numeric())),
        Part(name="other", scorer=times(1.0)),
        Part(name="rm", scorer=times(1.0), weight=0.5),
        Part(name="rm", scorer=times(1.0), aggregate="min"),
        Part(name="rm", scorer=times(1.0), place="every_step"),
        Part(name="rm", scorer=times(1.0), transforms=(Standardise(),)),
        Part(name="rm", scorer=times(1.0), transforms=(Clip(0, 1),)),
    ],
)
def test_every_other_reward_makes_another_run(part: Part) -> None:
    assert differ(base(), told(parts=[part])) == {"reward"}


@pytest.mark.owed
def test_order_of_transforms_golds_and_prompts_matters() -> None:
    def of(*transforms: Any) -> dict[str, str]:
        return told(parts=[Part(name="rm", scorer=times(1.0), transforms=transforms)])

    assert differ(of(Clip(), Standardise()), of(Standardise(), Clip())) == {"reward"}
    golds = {"a": times(1.0), "b": times(2.0)}
    assert differ(told(golds=golds), told(golds=dict(reversed(golds.items())))) == {"gold scorers"}
    assert differ(base(), told(golds={"gold": times(3.0)})) == {"gold scorers"}
    assert differ(base(), told(prompts=small.PROMPTS[3::-1])) == {"prompts"}


@pytest.mark.owed
@pytest.mark.parametrize(
    "change", [{"meta": {"target": 1}}, {"reference": "9"}, {"messages": Prompt.of("0").messages}]
)
def test_prompts_are_told_by_all_that_they_carry(change: dict[str, Any]) -> None:
    other = [small.PROMPTS[0].model_copy(update=change), *small.PROMPTS[1:4]]
    assert isinstance(other[0].messages[0], Message)
    assert differ(base(), told(prompts=other)) == {"prompts"}
    assert differ(told(held_out=small.PROMPTS[:4]), told(held_out=other)) == {"held-out prompts"}


@pytest.mark.owed
def test_settings_of_prime_make_another_run() -> None:
    policy = made()
    base = told(policy, prime=implicit(policy))
    assert differ(told(policy), base) == {"PRIME"}
    assert differ(told(policy, prime=implicit(policy)), base) == set()
    for other in ({"weight": 0.5}, {"learning_rate": 1e-3}, {"clip": 1.0}, {"beta": 0.1}):
        assert differ(told(policy, prime=implicit(policy, **other)), base) == {"PRIME"}


@pytest.mark.owed
def test_another_reward_is_refused_midway_and_when_all_is_done(tmp_path: Path) -> None:
    calls = 0

    def dies(response: Response) -> Score:
        nonlocal calls
        calls += 1
        if calls == 40:
            raise RuntimeError("killed here")
        return Score(value=float(len(response.text)))

    class Named(By):
        fingerprint = "length"

    def run(scorer: Any) -> Any:
        parts = [Part(name="rm", scorer=scorer)]
        return optimise(
            made(), small.PROMPTS[:8], parts, settings=SETTINGS, out=tmp_path, progress=False
        )

    with pytest.raises(BackendError, match="killed here"):
        run(Named(dies))
    assert (tmp_path / "checkpoint" / "state.pt").is_file()
    kept = (tmp_path / "checkpoint" / "state.pt").read_bytes()
    with pytest.raises(ConfigError, match="other reward"):
        run(times(2.0))
    assert (tmp_path / "checkpoint" / "state.pt").read_bytes() == kept
    assert run(Named(lambda response: Score(value=float(len(response.text))))).steps == 4
    with pytest.raises(ConfigError, match="other reward"):
        run(times(2.0))


@pytest.mark.owed
def test_a_scorer_that_cannot_be_told_says_what_to_do(tmp_path: Path) -> None:
    held = (number for number in range(3))
    scorer = By(lambda response: Score(value=float(next(held, 0))))
    with pytest.raises(
        ConfigError, match=r"scorer 'rm' cannot be told .*attribute or method `fingerprint`"
    ):
        told(parts=[Part(name="rm", scorer=scorer)])
    done = optimise(
        made(),
        small.PROMPTS[:8],
        [Part(name="rm", scorer=scorer)],
        settings=replace(SETTINGS, steps=1),
        out=tmp_path,
        progress=False,
        resume=False,
    )
    assert done.steps == 1
