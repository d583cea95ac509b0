"""Scorers by word or object: what each names, what it is called, and what is refused."""

import sys
from pathlib import Path

import pytest

from assay import fingerprint as named_by
from assay.errors import ConfigError
from assay.scorers.baselines import Longest, Random
from assay.scorers.column import Column
from assay.scorers.ensemble import Ensemble
from assay.scorers.function import Called
from assay.scorers.rule_checks import Ruled
from assay.scorers.verifier import Verified
from assay.specs.rewards import reward
from assay.specs.scorers import named, scorer
from assay.specs.verifiers import verifier
from assay.types import Group, Prompt, Response, Score, Unscored
from assay.verifiers import Math, Numeric

OWN = "tests.cli.rewards"


def group(*texts: str, meta: dict[str, object] | None = None, **each: object) -> Group:
    prompt = Prompt(messages=Prompt.of("q").messages, reference="4", meta=meta or {})
    responses = (Response(steps=(text,), meta=each) for text in texts)
    return Group(prompt=prompt, responses=tuple(responses))


@pytest.mark.parametrize(
    "word",
    [
        *("random", "shortest", "longest", "length", "random,seed=3", "math", "numeric", "code"),
        *("rules", "rules,at_most=3,unit=words", "column:quality", f"{OWN}:length", f"{OWN}:Nines"),
        *("math,find=boxed,percent=strict", "mean:longest+shortest,standard=none"),
        *(
            "uwo:longest+random,standard=none,variance=0.1,lower_bound=1",
            f"{OWN}:Nines,aggregate=min",
        ),
    ],
)
def test_every_scorer_has_a_fingerprint(word: str) -> None:
    first, second = scorer(word), scorer(word)
    assert len(first.fingerprint) == 32  # type: ignore[attr-defined]
    assert first.fingerprint == second.fingerprint  # type: ignore[attr-defined]
    assert scorer("random,seed=4").fingerprint != first.fingerprint  # type: ignore[attr-defined]


def test_a_fingerprint_of_its_own_changes_no_name() -> None:
    # What was kept under the name of a scorer before is still found.
    assert Verified(Math()).fingerprint == named_by.fingerprint(Verified(Math()))
    inside = named_by.fingerprint({"gold": Longest()})
    assert inside == named_by._Walk().name({"gold": Longest()})
    assert Longest().fingerprint == named_by._Walk().name(Longest())


def test_objects_pass_through() -> None:
    own, math = Longest(), Math()
    assert scorer(own) is own
    assert scorer(math) == Verified(math)
    assert scorer(Longest) == Longest()
    assert isinstance(scorer(lambda prompts, completions, **_: [1.0] * len(prompts)), Called)
    assert verifier(math) is math
    with pytest.raises(ConfigError, match="int is no scorer"):
        scorer(3)  # type: ignore[arg-type]


def test_settings_reach_what_they_are_of() -> None:
    assert scorer("random,seed=3") == Random(seed=3)
    checked = scorer("math,percent=strict,find=boxed,find=hashes")
    assert checked == Verified(Math(percent="strict", find=("boxed", "hashes")))
    assert verifier("numeric,tolerance=0.01") == Numeric(tolerance=0.01)
    rules = scorer("rules,at_most=1,pattern=a,pattern=b")
    assert isinstance(rules, Ruled)
    assert len(rules.rules) == 3
    together = scorer("uwo:longest+(random,seed=2),standard=none,variance=0.25")
    assert isinstance(together, Ensemble)
    assert together.weight == 0.25
    assert [*together.members.values()] == [Longest(), Random(seed=2)]  # type: ignore[union-attr]
    shared = scorer("mean:random+(random,seed=2),standard=none,seed=5")
    assert isinstance(shared, Ensemble)
    assert [*shared.members.values()] == [Random(seed=5), Random(seed=2)]  # type: ignore[union-attr]


def test_a_column_is_a_scorer() -> None:
    groups = [
        group("a", "b", quality=0.5),
        group("a", "b", meta={"quality": [1, 2]}),
        group("a", meta={"quality": True}),
        group("a", quality="high"),
        group("a", quality=None),
        group("a", other=1),
    ]
    found = scorer("column:quality").score(groups)
    assert found[:3] == [
        [Score(value=0.5)] * 2,
        [Score(value=1), Score(value=2)],
        [Score(value=1)],
    ]
    reasons = [one.reason for (one,) in found[3:] if isinstance(one, Unscored)]
    assert reasons == [
        "column 'quality' is no finite number: 'high'",
        "column 'quality' is null",
        "no column 'quality'; there is other",
    ]
    assert scorer(r"column:a\,b\:c") == Column("a,b:c")


def test_several_are_called_by_their_names() -> None:
    assert [*named(["truth=math", "longest", f"{OWN}:length", "column:x"])] == [
        "truth",
        "longest",
        f"{OWN}:length",
        "column:x",
    ]
    assert named({"mine": Longest()}) == {"mine": Longest()}
    with pytest.raises(ConfigError, match=r"two scorers are called 'random'.*NAME=random,seed=2"):
        named(["random", "random,seed=2"])
    with pytest.raises(ConfigError, match=r"another name: NAME=random$"):
        named(["a=longest", "a=random"])


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("longst", "did you mean longest"),
        ("maht", "did you mean math"),
        ("maen:longest+shortest", "did you mean mean"),
        ("skywork-reward-v", "did you mean skywork-reward-v2"),
        ("verifier", "the verifier that a command is given"),
        ("log-probability", "log-probability:FOLDER"),
        ("mean:longest+shortest,standard=one", "there is none"),
        ("mean:longest+shortest,variance=1,standard=none", "in uwo:A"),
        ("longest,standard=none", "a setting of ensembles"),
        ("longest,lower_bound=much", "lower_bound=much: give a number"),
        ("longest,aggregate=median", "no aggregation is called 'median'"),
        ("column:x,seed=1", "takes no settings"),
        (f"{OWN}:Nines,seed=1", "'seed' is no key"),
        ("no.such:thing", "cannot be imported"),
    ],
)
def test_a_word_that_names_nothing(word: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        scorer(word)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("maths", "did you mean math"),
        ("rules", "rules where a scorer is asked for"),
        ("http://localhost", "no verifier is asked at one yet"),
        (f"{OWN}:length", "is a function"),
        (f"{OWN}:Nines", "needs extract, canonical and verify"),
    ],
)
def test_a_word_that_names_no_verifier(word: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        verifier(word)


def test_a_folder_that_is_not_there_has_a_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs" / "rm-large").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"did you mean .*runs/rm-large"):
        scorer(str(tmp_path / "runs" / "rm-larg"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"did you mean runs/rm-large"):
        scorer("runs/rm-larg")


def test_a_module_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_rewards.py").write_text(
        "def letters(prompts, completions, **columns):\n    return [len(c) for c in completions]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    found = scorer("my_own_rewards:letters").score([group("ab", "c")])
    assert found == [[Score(value=2), Score(value=1)]]
    assert reward("my_own_rewards:letters,weight=2").weight == 2
    sys.modules.pop("my_own_rewards")


def test_a_folder_of_an_unfinished_run_says_so(tmp_path: Path) -> None:
    run = tmp_path / "rm"
    run.mkdir()
    with pytest.raises(ConfigError, match=r"rm has no config\.json; give a model's folder"):
        scorer(str(run))
    (run / "run.json").write_text('{"finished": null}')
    said = "rm has no config.json, for the run in it is unfinished; the command that began it"
    with pytest.raises(ConfigError, match=said):
        scorer(str(run))
    (run / "run.json").unlink()
    (run / "checkpoint").mkdir()
    with pytest.raises(ConfigError, match=said):
        scorer(str(run))
    with pytest.raises(ConfigError, match="there is no folder runs/nosuch, and no model"):
        scorer("runs/nosuch")
