from typing import Any

import pytest

from assay.errors import ConfigError
from assay.protocols import Sampling


@pytest.mark.parametrize(
    "bad",
    [
        {"n": 0},
        {"max_tokens": 0},
        {"temperature": -1},
        {"temperature": float("inf")},
        {"seed": -1},
        {"top_p": 0},
        {"top_p": 2},
        {"stop": ("\n", "")},
    ],
)
def test_sampling_that_cannot_work_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Sampling(**bad)
