"""`assay score DATA --scorer SCORER`: a line of JSON per response."""

import dataclasses
import os
from pathlib import Path

from assay.cli.options import Aside, Data, Executor, Format, Overwrite
from assay.errors import DataError
from assay.specs.compute import Compute
from assay.specs.scorer_kinds import ScorerWord

__all__ = ["Command"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(Compute):
    """Score every response of a data file.

    Each line of the output holds the prompt's id and hash, the group's and the response's index,
    and either `value` (with `steps` where there are several) or `unscored`, the reason. A run that
    was stopped resumes where it was.
    """

    data: Data
    """Preferences, rankings, groups or step labels: file, folder or Hugging Face data set."""
    scorer: ScorerWord

    out: Path
    """Folder of the run, for scores.jsonl and run.json, or the file of scores itself by its ending
    .jsonl; the scores appear when all are there."""
    texts: bool = False
    """Texts of prompts and responses in each line, so that the file is a pool for other
    commands."""
    format: Format = None
    set_aside: Aside = False
    executor: Executor = "local"

    overwrite: Overwrite = False

    chunk: int = 256
    """Groups scored and written at once."""

    def __call__(self) -> None:
        """Score, and report how many could not be."""
        from assay.workflows.score import score

        result = score(**vars(self), settings=self)
        if "LOCAL_RANK" in os.environ and os.environ.get("RANK", "0") != "0":
            return
        print(result)
        if not result.scored:
            raise DataError(f"no response could be scored; {result.file} says why of each")
