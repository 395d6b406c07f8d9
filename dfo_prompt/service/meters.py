"""Collects metrics of a service for Prometheus in a separate registry."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, exposition, generate_latest

MEDIA_TYPE = exposition.CONTENT_TYPE_LATEST


class Meters:
    """Counts requests by path and status, candidates by outcome, and seconds."""

    def __init__(self) -> None:
        self._registry = to = CollectorRegistry()
        self.requests = Counter("dfo_prompt_requests", "Requests answered.", ("path", "status"), registry=to)
        self.seconds = Histogram("dfo_prompt_request_seconds", "Seconds until an answer.", ("path",), registry=to)
        self.candidates = Counter("dfo_prompt_candidates", "Candidates answered.", ("replayed",), registry=to)
        self.feedback = Counter("dfo_prompt_feedback", "Corrected labels taken.", ("replayed",), registry=to)
        self.prompts = Counter("dfo_prompt_prompts", "Prompts offered.", ("swapped",), registry=to)
        self.peak = Gauge("dfo_prompt_peak_bytes", "Main memory held at most since the start.", registry=to)
        self.pending = Gauge("dfo_prompt_pending", "Requests that run or wait.", registry=to)

    def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        return generate_latest(self._registry)
