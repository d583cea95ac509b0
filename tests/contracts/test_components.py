"""One suite over every component of a kind: what its protocol promises, whoever wrote it.

A new module in `losses/`, `search/` or `data/formats/` is tested here without an edit.
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from assay import components
from assay.data import sources
from assay.errors import DataError
from assay.runs.settings import read_run, write_run
from assay.search import Budget, ReplayGenerator, SearchResult, run
from assay.search import Record as SearchRecord
from assay.testing import FakeGenerator, FakeScorer
from assay.types import Preference, Prompt, Ranking, Record, Score, StepLabels, Unscored
from tests.search.toys import Backwards, Broken, Fails, Policy, Reads, noisy, timeless

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
ALL = [(kind, name) for kind in components.KINDS for name in components.names(kind)]


# --- every component
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_component_is_one_documented_frozen_dataclass(kind: str, name: str) -> None:
    cls = components.load(kind, name)
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen
    assert (cls.__doc__ or "").strip()
    assert not (cls.__doc__ or "").startswith(
        f"{cls.__name__}("
    )  # what dataclass writes when nobody did
    assert components.name_of(cls) == f"{kind}/{name}"


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_components_settings_survive_run_json(kind: str, name: str, tmp_path: Path) -> None:
    cls = components.load(kind, name)
    for settings in _variants(cls):
        write_run(tmp_path, settings)
        assert read_run(tmp_path, cls) == settings


def _variants(cls: type[Any]) -> Iterator[Any]:
    """The default settings, and each truth value flipped and each zero number raised, one at a
    time."""
    yield cls()
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if hints[field.name] is bool:
            yield cls(**{field.name: not field.default})
        elif hints[field.name] is float and field.default == 0.0:
            yield cls(**{field.name: 0.1})


# --- losses
# --------------------------------------------------------------------------------------------------

LOSSES = [
    pytest.param(settings, id=f"{name}-{i}")
    for name in components.names("losses")
    for i, settings in enumerate(_variants(components.load("losses", name)))
]


def _batch(loss: Any) -> tuple[Any, Any, Any]:
    """Ragged values, targets and mask in float64, of the shapes that `protocols.Loss` states."""
    import torch

    torch.set_num_threads(1)
    draws = torch.Generator().manual_seed(0)
    responses = {Preference: 2, Ranking: 3, StepLabels: 1}[loss.consumes]
    groups, steps = 4, 5
    values = torch.randn(groups, responses, steps, generator=draws, dtype=torch.float64)
    lengths = torch.randint(1, steps + 1, (groups, responses, 1), generator=draws)
    mask = torch.arange(steps) < lengths
    mask[0] = torch.tensor([True, False, True, True, False])  # a gap: only some tokens end a step
    if loss.consumes is Preference:
        targets = torch.tensor(
            [[1.0, 0.0], [0.7, 0.5], [0.5, 0.0], [0.0, 2.0]], dtype=torch.float64
        )
    elif loss.consumes is Ranking:
        targets = torch.tensor([[1.0, 2, 3], [2, 2, 0], [0, 5, 1], [1, 1, 1]], dtype=torch.float64)
        mask[2, 1] = False  # absent from its group
    else:
        targets = torch.rand(groups, responses, steps, generator=draws, dtype=torch.float64)
        targets[1, 0, 0] = torch.nan  # not supervised
        targets[3, 0, :-1] = torch.nan
    return values, targets, mask


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_says_what_it_learns_from_and_where_it_reads(loss: Any) -> None:
    _, targets, mask = _batch(loss)
    assert loss.consumes in (Preference, Ranking, StepLabels)
    assert loss.reads in ("steps", "tokens")
    assert loss.trains in ("preference", "outcome", "process")
    assert 0 < loss.terms(targets, mask) <= mask.sum()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_a_finite_scalar_that_falls_along_its_gradient(loss: Any) -> None:
    import torch

    values, targets, mask = _batch(loss)
    values.requires_grad_()
    found = loss(values, targets, mask)
    assert found.shape == ()
    assert torch.isfinite(found)
    (gradient,) = torch.autograd.grad(found, values)
    assert torch.isfinite(gradient).all()
    assert (gradient[~mask] == 0).all()
    assert loss(values - 1e-3 * gradient, targets, mask) < found
    for scale in (1e3, -1e3):  # saturated, not broken
        assert torch.isfinite(loss(scale * values, targets, mask))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_parts_of_a_batch_weighted_by_their_terms_add_up_to_the_whole(loss: Any) -> None:
    """What gradient accumulation relies on; and a part without terms adds 0."""
    import torch

    values, targets, mask = _batch(loss)
    whole = loss(values, targets, mask) * loss.terms(targets, mask)
    parts = [(values[i], targets[i], mask[i]) for i in (slice(0, 1), slice(1, 4), slice(4, 4))]
    total = sum(loss(*part) * loss.terms(*part[1:]) for part in parts if loss.terms(*part[1:]))
    torch.testing.assert_close(total, whole)
    if loss.consumes is StepLabels:
        nothing = torch.full_like(targets, torch.nan)
        assert loss.terms(nothing, mask) == 0
        assert loss(values.requires_grad_(), nothing, mask) == 0
        loss(values, nothing, mask).backward()
        assert (values.grad == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_has_the_gradient_of_its_value(loss: Any) -> None:
    import torch

    values, targets, mask = _batch(loss)
    assert torch.autograd.gradcheck(lambda v: loss(v, targets, mask), values.requires_grad_())


@pytest.mark.parametrize("loss", LOSSES)
def test_values_at_masked_positions_do_not_matter(loss: Any) -> None:
    import torch

    values, targets, mask = _batch(loss)
    expected = loss(values, targets, mask)
    for junk in (0.0, 1e6, -1e6):
        torch.testing.assert_close(
            loss(values.masked_fill(~mask, junk), targets, mask), expected, rtol=0, atol=0
        )


@pytest.mark.parametrize("loss", LOSSES)
def test_padding_does_not_matter(loss: Any) -> None:
    import torch

    values, targets, mask = _batch(loss)

    def pad(tensor: Any, fill: float) -> Any:
        return torch.nn.functional.pad(tensor, (0, 3), value=fill)

    padded_targets = pad(targets, torch.nan) if loss.consumes is StepLabels else targets
    found = loss(pad(values, 7.0), padded_targets, pad(mask, False))
    torch.testing.assert_close(found, loss(values, targets, mask))


@pytest.mark.parametrize("loss", LOSSES)
def test_order_in_the_batch_does_not_matter(loss: Any) -> None:
    import torch

    values, targets, mask = _batch(loss)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        loss(values[order], targets[order], mask[order]), loss(values, targets, mask)
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_order_in_the_group_does_not_matter(loss: Any) -> None:
    import torch

    values, targets, mask = _batch(loss)
    moved = targets
    if loss.consumes is Preference:
        moved = torch.stack([1 - targets[:, 0], targets[:, 1]], -1)
    elif loss.consumes is Ranking:
        moved = targets.flip(1)
    torch.testing.assert_close(
        loss(values.flip(1), moved, mask.flip(1)), loss(values, targets, mask)
    )


# --- searches
# --------------------------------------------------------------------------------------------------

SEARCHES = components.names("search")
PROMPTS = [Prompt.of(f"question {i}", reference="11") for i in range(3)]
TEXTS = ("is 5", "is 6, surely", "no answer", "it is 5")


def _search(
    name: str, generator: Any, scorer: Any, prompts: Sequence[Prompt] = PROMPTS, **more: Any
) -> Any:
    return run(components.load("search", name)(), prompts, generator, scorer, **more)


def _rated(result: SearchResult) -> list[Score | Unscored]:
    return [score for score in result.scores if score is not None]


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize(
    "generator", [FakeGenerator(texts=TEXTS), Policy()], ids=["whole", "steps"]
)
def test_a_search_returns_one_result_a_prompt_with_the_scorers_scores(
    name: str, generator: Any
) -> None:
    half = FakeScorer(rule=lambda prompt, response: (len(prompt.text + response.text) % 7) / 7)
    results = _search(name, generator, half)
    assert [result.group.prompt for result in results] == PROMPTS
    for result in results:
        said = half.score([result.group])[0]
        assert len(result.scores) == len(said) > 0
        assert all(score in (None, own) for score, own in zip(result.scores, said, strict=True))
        assert result.choice is None or result.response == result.group.responses[result.choice]
        assert result.choice in range(len(said)) or (name == "rejection" and not result.kept)
        assert set(result.kept) <= set(range(len(said)))
        assert all(response.steps and response.finished for response in result.group.responses)
    assert _search(name, generator, half, []) == []


@pytest.mark.parametrize("name", SEARCHES)
def test_an_unscored_candidate_is_never_chosen_while_one_is_scored(name: str) -> None:
    """All give the same answer, so no vote is a reason to."""
    picky = FakeScorer(rule=lambda _, response: 0.6 if "rare" in response.text else None)
    for texts in (("is 5", "surely 5", "rare 5", "5"), ("rare 5", "is 5"), ("is 5", "surely 5")):
        for result in _search(name, FakeGenerator(texts=texts), picky):
            if any(isinstance(score, Score) for score in _rated(result)):
                assert isinstance(result.scores[result.choice], Score)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_survives_a_scorer_that_scores_nothing(name: str) -> None:
    nothing = FakeScorer(rule=lambda *_: None)
    for generator in (FakeGenerator(texts=("is 5", "no")), Policy()):
        for result in _search(name, generator, nothing):
            assert result.choice is None or result.choice in range(len(result.scores))
            assert all(isinstance(score, Unscored) for score in _rated(result))


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_survives_a_policy_that_writes_nothing(name: str) -> None:
    for result in _search(name, Backwards(Policy(), fails=lambda _: True), Reads()):
        assert (result.choice, result.group.responses, result.spent.samples) == (None, (), 0)
        assert result.spent.missing > 0


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_is_repeatable_and_does_not_depend_on_the_batch(name: str) -> None:
    flat = FakeScorer(rule=lambda *_: 0.5)  # nothing but ties
    for generator in (FakeGenerator(texts=("is 5", "is 6", "is 7")), Policy()):
        together = timeless(_search(name, generator, flat))
        assert timeless(_search(name, generator, flat)) == together
        assert timeless(_search(name, generator, flat, together=1)) == together
        assert [
            timeless(_search(name, generator, flat, [prompt]))[0] for prompt in PROMPTS
        ] == together


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_pays_for_what_it_asks_and_its_tree_shows_it(name: str) -> None:
    policy, scorer = Policy(), Reads(rule=noisy)
    results = _search(name, policy, scorer)
    assert len(policy.asked) == len(set(policy.asked))  # no sample twice
    assert sum(r.spent.samples for r in results) == len(policy.asked)
    assert sum(r.spent.scored_tokens or 0 for r in results) == scorer.tokens_read
    for result in results:
        assert sum(node.count for node in result.nodes) == result.spent.samples
        assert all(node.parent < i for i, node in enumerate(result.nodes))
        texts = [node.text for node in result.nodes]
        for i, node in enumerate(result.nodes):
            texts[i] = (texts[node.parent] if node.parent >= 0 else "") + node.text
        assert {response.text for response in result.group.responses} <= set(texts)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_goes_on_where_it_was_broken_off(name: str) -> None:
    whole = timeless(_search(name, calm := Policy(), Reads(rule=noisy)))
    for at in (1, 3):
        record, policy = SearchRecord(policy="toy", scorer="toy"), Policy()
        for scorer in (Fails(Reads(rule=noisy), at), Fails(Reads(rule=noisy), 0)):
            with contextlib.suppress(Broken):
                results = _search(name, policy, scorer, record=record)
        assert timeless(results) == whole
        assert sorted(policy.asked) == sorted(calm.asked)
        replayed = _search(name, ReplayGenerator(record=record), Reads(rule=noisy))
        assert timeless(replayed) == whole


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_stops_at_its_budget(name: str) -> None:
    """At most one request is under way when the limit is reached; what is there then is chosen
    from."""
    (whole,) = _search(name, Policy(), Reads(rule=noisy), PROMPTS[:1])
    (cut,) = _search(
        name, policy := Policy(), Reads(rule=noisy), PROMPTS[:1], budget=Budget(samples=1)
    )
    assert cut.spent.samples == len(policy.asked) <= whole.spent.samples
    if cut.spent.samples < whole.spent.samples:
        assert (cut.stopped, cut.spent.saved) == ("budget", 0)
    assert cut.group.responses
    (none,) = _search(name, policy := Policy(), Reads(), PROMPTS[:1], budget=Budget(seconds=1e-12))
    assert (none.stopped, none.choice, policy.asked) == ("budget", None, [])


# --- formats
# --------------------------------------------------------------------------------------------------


def _golden() -> dict[Path, str]:
    """File -> format: `prm800k_phase1.jsonl` is of `prm800k`, and of the longest name that fits."""
    found = {}
    for path in sorted(GOLDEN.glob("*.json*")):
        stem = path.name.split(".")[0].replace("_", "-")
        fitting = [
            name
            for name in components.names("formats")
            if stem == name or stem.startswith(f"{name}-")
        ]
        if fitting:
            found[path] = max(fitting, key=len)
    return found


LAYOUTS = {name: components.load("formats", name)() for name in components.names("formats")}
FILES = [pytest.param(name, path, id=path.name) for path, name in _golden().items()]


def _rows(path: Path) -> list[dict[str, Any]]:
    found = list(sources.rows(path))
    assert all(isinstance(row, sources.Row) for row in found)
    return [row.value for row in found if isinstance(row, sources.Row)]


@pytest.mark.parametrize("name", components.names("formats"))
def test_a_format_has_a_golden_file(name: str) -> None:
    assert name in _golden().values(), (
        f"make tests/golden/{name.replace('-', '_')}.jsonl, three rows by hand"
    )


@pytest.mark.parametrize(("name", "path"), FILES)
def test_a_golden_file_is_told_apart_from_every_other_format(name: str, path: Path) -> None:
    for row in _rows(path):
        assert [other for other, layout in LAYOUTS.items() if layout.matches(row)] == [name]


@pytest.mark.parametrize(("name", "path"), FILES)
def test_a_golden_file_is_read_and_survives_writing(name: str, path: Path) -> None:
    layout = components.load("formats", name)()
    records = [record for row in _rows(path) for record in layout.read(row)]
    assert records
    assert all(isinstance(record, Record) for record in records)
    try:
        rows = list(layout.write(records))
    except DataError:
        return  # a format may be unable to express what it reads; it says so
    rows = json.loads(json.dumps(rows))  # plain JSON, nothing else
    assert all(layout.matches(row) for row in rows)
    assert [record for row in rows for record in layout.read(row)] == records


@pytest.mark.parametrize("name", components.names("formats"))
@pytest.mark.parametrize("row", [{}, {"nonsense": 1}, {"prompt": None}, {"messages": 3}])
def test_a_malformed_row_is_refused_by_name_or_not_claimed(name: str, row: dict[str, Any]) -> None:
    layout = components.load("formats", name)()
    if layout.matches(row):
        with pytest.raises(DataError):
            list(layout.read(row))
