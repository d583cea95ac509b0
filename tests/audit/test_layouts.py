"""Layouts of a tiny model's texts, by hand."""

import pytest

from assay.audit.findings import corrected
from assay.audit.layouts import layouts
from assay.audit.serving import serving
from assay.audit.subjects import items_of
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.readout import PREFERENCE
from assay.scorers.local import LocalScorer
from assay.types import Preference, Prompt, Response
from tests.models import tiny


@pytest.fixture(scope="module")
def scorer() -> LocalScorer:
    model = checkpoint.wrap(
        tiny.network(), tiny.tokenizer(), layout=Layout(template="chat"), readout=PREFERENCE
    )
    return LocalScorer(model)


ITEMS = items_of(
    [
        Preference(
            prompt=Prompt.of(f"What is {i} + 2?"),
            responses=(Response.of(f"It is {i + 2}, we add."), Response.of("Five " * (i + 1))),
            prefer=1.0,
        )
        for i in range(12)
    ]
)


def test_a_model_in_fp32_does_not_see_its_company_nor_padding(scorer: LocalScorer) -> None:
    found = {one.probe: one for one in corrected(serving(scorer, ITEMS) + layouts(scorer, ITEMS))}
    exact = ("repeat", "batch", "group", "order", "left-padding")
    assert {found[f"serving-{name}"].verdict for name in exact} == {"passes"}


def test_an_end_that_is_cut_is_another_score(scorer: LocalScorer) -> None:
    found = {one.probe: one for one in corrected(layouts(scorer, ITEMS))}
    cut = found["serving-end-cut"]
    assert cut.verdict == "fails"
    assert cut.effect.n == 12
    assert set(cut.held.values()) != {1.0}
    assert cut.cases[0].rewards[0] != cut.cases[0].rewards[1]
    assert "serving-empty-system-turn" in found
