"""The one slow thing these tests share."""

import os
from pathlib import Path

import pytest

from assay.errors import MissingExtra
from assay.models.smol import smol_folder


@pytest.fixture(scope="session")
def smol_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that the session's workers share."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"


@pytest.fixture(scope="session")
def smol(smol_cache: Path) -> Path:
    """The converted SmolLM2-135M, made once a session (about 15 s)."""
    try:
        return smol_folder(smol_cache)
    except MissingExtra as error:
        pytest.skip(str(error))
