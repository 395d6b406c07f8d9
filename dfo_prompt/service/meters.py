"""Figures of a service for Prometheus, in a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import exposition

MEDIA_TYPE = exposition.CONTENT_TYPE_LATEST


class Meters:
    """Counts requests by path and status, candidates by outcome, and seconds."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        into = {"registry": self._registry}
        self.requests = Counter("dfo_prompt_requests", "Requests answered.", ("path", "status"), **into)
        self.seconds = Histogram("dfo_prompt_request_seconds", "Seconds from a request to its answer.", ("path",), **into)
        self.candidates = Counter("dfo_prompt_candidates", "Candidates answered.", ("replayed",), **into)
        self.pending = Gauge("dfo_prompt_pending", "Requests that run or wait for the objective.", **into)

    def text(self) -> bytes:
        """Return the figures in the text format of Prometheus."""
        return generate_latest(self._registry)
