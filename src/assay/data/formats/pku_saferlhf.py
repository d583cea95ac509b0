"""PKU-SafeRLHF (arXiv:2406.15513): two responses, and apart from each other which one is better and
which one is safer."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assay.data import fields
from assay.data.columns import Columns
from assay.types import Record

__all__ = ["PkuSaferlhf"]


@dataclass(frozen=True, kw_only=True)
class PkuSaferlhf:
    """{prompt, response_0, response_1, better_response_id, safer_response_id, is_response_0_safe,
    is_response_1_safe}."""

    judged_by: Literal["better", "safer"] = "better"
    """Judgment that decides."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Two responses and a judgment."""
        both = {"prompt", "response_0", "response_1"} <= row.keys()
        return both and not {"better_response_id", "safer_response_id"}.isdisjoint(row)

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One preference; the other judgment is in the prompt's `meta`."""
        choice = f"{self.judged_by}_response_id"
        fields.value(row, choice)
        return Columns.of(f"prompt=prompt,first=response_0,second=response_1,choice={choice}").read(
            row
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)
