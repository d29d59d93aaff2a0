"""What Prometheus reads: how many, how fast, how it went. No label holds a name or a text."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
MILLISECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1)
RATES = (1, 2, 5, 10, 20, 40, 80, 160, 320)


class Metrics:
    """Each server has its own registry: two in one process do not add up."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter("twin_requests", "Requests", ["route", "method", "status"], registry=registry)
        self.took = Histogram(
            "twin_request_seconds",
            "From a request to the end of its response",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.first_token = Histogram(
            "twin_first_token_seconds", "From a question to the first token", buckets=SECONDS, registry=registry
        )
        self.rate = Histogram(
            "twin_tokens_per_second", "Of an answer, after its first token", buckets=RATES, registry=registry
        )
        self.retrieval = Histogram(
            "twin_retrieval_seconds", "Finding the passages of an answer", buckets=MILLISECONDS, registry=registry
        )
        self.tokens = Counter("twin_tokens", "Tokens generated", registry=registry)
        self.refusals = Counter(
            "twin_refusals", "Questions not answered: not_covered by the posts, busy", ["reason"], registry=registry
        )
        self.stopped = Counter("twin_stopped", "Answers whose client went away", registry=registry)
        self.errors = Counter("twin_errors", "Errors by their kind", ["kind"], registry=registry)
        self.waiting = Gauge("twin_queue_waiting", "Answers that wait for their turn", registry=registry)
        self.open = Gauge("twin_answers_open", "Answers being written or waiting", registry=registry)

    def answered(self, times: Mapping[str, float], covered: bool) -> None:
        """An answer, or a section of a draft, by its timings."""
        self.retrieval.observe(times["retrieve"])
        if not covered:
            self.refusals.labels("not_covered").inc()
        if (first := times.get("first_token")) is None:
            return
        self.first_token.observe(first)
        self.tokens.inc(times["tokens"])
        if times["tokens"] > 1 and times["total"] > first:
            self.rate.observe((times["tokens"] - 1) / (times["total"] - first))

    def text(self) -> bytes:
        return generate_latest(self._registry)
