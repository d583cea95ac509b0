"""What a server counts, for Prometheus."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from assay.server.batcher import Batch, Batcher
from assay.types import Unscored

__all__ = ["Metrics"]

SECONDS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
ITEMS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
REASONS: Final = 32
"""Reasons with a count of their own; any further one counts as "other"."""
COUNTED: Final = {
    "tokens_read": "Tokens that went through the model.",
    "tokens_spared": "Tokens of prompts that were kept from an earlier batch.",
    "texts_unended": "Texts laid out elsewhere without what ends the model's finished responses.",
}
"""Attributes of scorers that have them, and what they count."""


class Metrics(Collector):
    """Counters of one application, in a registry of its own."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()
        ProcessCollector(registry=own)
        GCCollector(registry=own)
        model = ["model"]
        self.requests = Counter(
            "assay_requests", "Requests answered.", ["path", "status"], registry=own
        )
        self.seconds = Histogram(
            "assay_request_seconds",
            "From a request's head to its answer.",
            ["path"],
            buckets=SECONDS,
            registry=own,
        )
        self.running = Gauge("assay_requests_running", "Requests under way.", registry=own)
        self.responses = Counter("assay_responses", "Responses scored.", model, registry=own)
        self._unscored = Counter(
            "assay_unscored", "Responses without a score.", ["model", "reason"], registry=own
        )
        self._waiting = Gauge(
            "assay_queue_tokens", "Tokens that wait, estimated.", model, registry=own
        )
        self._queued = Histogram(
            "assay_queue_seconds",
            "Longest wait of a batch's requests.",
            model,
            buckets=SECONDS,
            registry=own,
        )
        self._batch = Histogram(
            "assay_batch_responses", "Responses per batch.", model, buckets=ITEMS, registry=own
        )
        self._busy = Histogram(
            "assay_batch_seconds", "Time of a batch.", model, buckets=SECONDS, registry=own
        )
        self._tokens = Counter(
            "assay_tokens", "Tokens asked about, estimated.", model, registry=own
        )
        self.shared = Counter(
            "assay_shared_tokens",
            "Tokens, estimated, of prompts that stand in a batch already.",
            model,
            registry=own,
        )
        self._failed = Counter(
            "assay_failed_works", "Prompts whose scoring failed.", model, registry=own
        )
        self._reasons: set[str] = set()
        self._counting: dict[str, object] = {}
        own.register(self)

    def watch(self, model: str) -> Callable[[Batch], None]:
        """What a batcher tells of its batches."""

        def watch(batch: Batch) -> None:
            self._queued.labels(model).observe(batch.queued)
            self._batch.labels(model).observe(batch.items)
            self._busy.labels(model).observe(batch.seconds)
            self._tokens.labels(model).inc(batch.tokens)
            self._failed.labels(model).inc(batch.failed)

        return watch

    def show(self, model: str, batcher: Batcher, served: object) -> None:
        """Show a batcher's queue, and the tokens that what is served counts itself."""
        self._waiting.labels(model).set_function(lambda: batcher.waiting)
        self._counting[model] = served

    def collect(self) -> Iterator[CounterMetricFamily]:
        """What scorers count by themselves, when it is asked for."""
        for word, about in COUNTED.items():
            family = CounterMetricFamily(f"assay_model_{word}", about, labels=["model"])
            for model, scorer in self._counting.items():
                if (count := getattr(scorer, word, None)) is not None:
                    family.add_metric([model], count)
            yield family

    def scored(self, model: str, scores: Sequence[object]) -> None:
        """Count responses or questions, and the reasons of those without a score or an answer."""
        self.responses.labels(model).inc(len(scores))
        for score in scores:
            if isinstance(score, Unscored):
                self._unscored.labels(model, self._reason(score.reason)).inc()

    def _reason(self, reason: str) -> str:
        """A reason without what differs from text to text, one of at most `REASONS`."""
        short = re.sub(r"""(["'`]).*?\1|\d+""", "#", " ".join(reason.split()))[:80]
        if short not in self._reasons and len(self._reasons) >= REASONS:
            return "other"
        self._reasons.add(short)
        return short
