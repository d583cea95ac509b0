"""A saved reward model without its weights: how it lays conversations out, and reads outputs."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from assay.errors import ConfigError
from assay.fingerprint import fingerprint
from assay.models.checkpoint import read_manifest
from assay.models.fit import unfit
from assay.models.laid_out import laid_out
from assay.models.layout import Encoded, Encoder
from assay.models.loading import load_tokenizer
from assay.scorers.local import score_of
from assay.scorers.wires import Answer, Sent, Way
from assay.types import Prompt, Response, Score, Unscored

__all__ = ["Laid", "sent_as"]


class Laid:
    """The layout, tokenizer and read-out of a saved reward model's folder.

    Raises `ConfigError` where the folder is none, or holds an implicit model.
    """

    def __init__(self, folder: str | Path) -> None:
        manifest = read_manifest(folder)
        if manifest.implicit_beta is not None:
            raise ConfigError(
                f"{folder} is an implicit reward model, which no server of classifiers serves;"
                " serve it by assay serve"
            )
        self.folder, self.readout = folder, manifest.readout
        self.encoder = Encoder(load_tokenizer(folder), manifest.layout, manifest.readout)

    @cached_property
    def encoder_print(self) -> str:
        """Names all that changes what is sent and how outputs become scores."""
        return fingerprint((self.encoder.tokenizer, self.encoder.layout, self.readout))

    def check(self, *, by_step: bool, dialect: str) -> None:
        """Raise `ConfigError` where the scores are made of steps, and the dialect gives none."""
        if not by_step and self.readout.aggregate != "last":
            raise ConfigError(
                f"{self.folder} makes its scores of all steps, and {dialect} gives the last"
                " output; use dialect=vllm-steps"
            )

    def sent(
        self, pairs: Sequence[tuple[Prompt, Response]], way: Way
    ) -> list[tuple[Sent, Encoded] | Unscored]:
        """Lay responses out, or say why one cannot be scored."""
        made = laid_out([[pair] for pair in pairs], self.encoder)
        return [self._sent(*pair, one, way) for pair, one in zip(pairs, made, strict=True)]

    def _sent(
        self, prompt: Prompt, response: Response, made: list[Encoded] | str, way: Way
    ) -> tuple[Sent, Encoded] | Unscored:
        if isinstance(made, str):
            return Unscored(reason=made)
        (sequence,), most = made, self.encoder.layout.max_length
        match unfit(self.encoder.layout, response, sequence):
            case "too long":
                return Unscored(reason=f"{len(sequence.ids)} tokens > max_length {most}")
            case "empty":
                return Unscored(reason="empty response")
        return sent_as(self.encoder, sequence, way, label=prompt.reference or ""), sequence

    def score(self, answer: Answer, sequence: Encoded) -> Score | Unscored:
        """Make a score of the outputs at a response's steps, as the model itself would."""
        rows = answer.rows
        if len(rows) != len(sequence.reads) and len(rows) == len(sequence.ids):
            # One row per token: the model has no token of its own to read steps at.
            rows = tuple(rows[place] for place in sequence.reads)
        if len(rows) not in (1, len(sequence.reads)):
            return Unscored(
                reason=f"the server reads {len(rows)} steps, and there are {len(sequence.reads)}"
            )
        weights = self.readout.weights
        if any(len(row) != len(weights) for row in rows):
            return Unscored(
                reason=f"the server gives {len(rows[0])} outputs, and the model has {len(weights)}"
            )
        logits = tuple(
            sum(w * x for w, x in zip(weights, row, strict=True)) + self.readout.offset
            for row in rows
        )
        score = score_of(logits, self.readout)
        if isinstance(score, Score) and len(rows) < len(sequence.reads):
            return score.model_copy(update={"steps": ()})
        return score


def sent_as(encoder: Encoder, sequence: Encoded, way: Way, *, label: str = "") -> Sent:
    """Return a sequence as token ids, or as the text with special tokens that they are of."""
    if way == "ids":
        return Sent(ids=sequence.ids, label=label)
    prompt, text = (
        encoder.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)
        for ids in (sequence.ids[: sequence.start], sequence.ids)
    )
    return Sent(text=text, prompt=prompt, label=label)
