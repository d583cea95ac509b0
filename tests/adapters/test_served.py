"""Step rewards by way of a server are those of the model in this process."""

import asyncio
from pathlib import Path

import pytest

from assay.adapters import trl
from assay.models.checkpoint import save
from assay.workflows.paying import payer, prompt_of, total_of
from tests.server.running import running
from tests.training import planted

pytest.importorskip("assay.scorers.remote", reason="scorers at servers are not there")

TEXTS = ["12 plus 30 is 42.\nThe answer is 42.", "It is 41.", "One.\nTwo.\n\nThree."]


def test_a_served_process_model_pays_its_steps(tmp_path: Path) -> None:
    model = planted.model("process", max_length=400)
    save(model, tmp_path / "prm")
    asked = [[{"role": "user", "content": "What is 12 plus 30?"}]] * 3
    given = {"prompts": asked, "completions": TEXTS}
    here = trl.reward_function(f"{tmp_path}/prm,place=every_step")(**given)
    sums = payer(f"{tmp_path}/prm")
    pairs = [(prompt_of(asked[0]), sums.said(text)) for text in TEXTS]
    steps = [one.score.steps for one in sums.pay(pairs)]  # type: ignore[union-attr]
    assert [len(row) for row in steps] == [2, 1, 3]
    assert here == pytest.approx([sum(row) for row in steps])
    with running({"prm": sums.part.scorer, "other": sums.part.scorer}) as url:
        word = f"prm=remote:{url},model=prm,place=every_step"
        assert trl.reward_function(word)(**given) == pytest.approx(here)
        pays = payer(word)
        assert pays.lock is None

        async def all_at_once() -> list[float]:
            each = [pays.pay_one(*pair) for pair in pairs * 4]
            return [total_of(one) for one in await asyncio.gather(*each)]

        assert asyncio.run(all_at_once()) == pytest.approx(here * 4)
