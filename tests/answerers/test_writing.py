"""A generator whose texts are kept."""

import pytest

from assay.answerers.ledger import Ledger
from assay.answerers.writing import Kept
from assay.errors import BackendError
from assay.protocols import Prefix, Sampling
from assay.types import Prompt, Response


class Counting:
    """Writes each sample's number behind the steps, and counts what it was asked for."""

    fingerprint = "counting"

    def __init__(self):
        self.asked = []

    def generate(self, prefixes, sampling):
        self.asked += [(prefix.prompt.text, prefix.first) for prefix in prefixes]
        if any("bad" in prefix.prompt.text for prefix in prefixes):
            raise BackendError("too long")
        return [
            [Response(steps=(*prefix.steps, f"{prefix.first}"), meta={"tokens": 1})]
            for prefix in prefixes
        ]


A, B = Prefix(Prompt.of("a")), Prefix(Prompt.of("b"), steps=("so ",), first=5)


def test_texts_are_numbered_and_asked_for_once(tmp_path):
    with Ledger(tmp_path / "ledger") as ledger:
        kept = Kept(Counting(), ledger)
        found = kept.generate([A, B, A], Sampling(n=2))
        assert [[one.text for one in some] for some in found] == [
            ["0", "1"],
            ["so 5", "so 6"],
            ["2", "3"],
        ]
    with Ledger(tmp_path / "ledger") as ledger:
        again = Kept(Counting(), ledger)
        assert again.generate([A, B], Sampling(n=2)) == found[:2]
        assert again.generator.asked == []
        again.generate([A], Sampling(n=6))
        assert [number for _, number in again.generator.asked] == [4, 5]
        again.generate([A], Sampling(n=1, temperature=0.5))
        assert len(again.generator.asked) == 3


def test_the_rest_is_had_where_one_fails():
    kept = Kept(Counting())
    found = dict(kept.stream([A, Prefix(Prompt.of("bad")), B], Sampling()))
    assert [type(found[i]) for i in range(3)].count(list) == 2
    assert found[1].reason == "too long"
    with pytest.raises(BackendError, match="prefix 1 has no responses: too long"):
        kept.generate([Prefix(Prompt.of("c")), Prefix(Prompt.of("bad"))], Sampling())
