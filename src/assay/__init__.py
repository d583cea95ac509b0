"""Reward models: make them, use them, and measure when they stop being gold."""

from assay.types import (
    Group,
    Message,
    Preference,
    Prompt,
    Ranking,
    Response,
    Score,
    StepLabels,
    Unscored,
    Verdict,
)

__all__ = [
    "Group",
    "Message",
    "Preference",
    "Prompt",
    "Ranking",
    "Response",
    "Score",
    "StepLabels",
    "Unscored",
    "Verdict",
]
