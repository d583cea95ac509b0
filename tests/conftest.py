"""What every test may use."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def assay_data() -> Path:
    """Folder of the public data sets; tests that need it are skipped where there is none."""
    folder = Path(os.environ.get("ASSAY_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no public data at {folder}; set ASSAY_DATA")
    return folder
