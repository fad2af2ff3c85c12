"""What a replica counts, in the form that Prometheus reads."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from lepton_ai.platform.model_management.serving.served_model import ServedModel

_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Requests by route and status, their duration, and rows. Each server has its own: nothing global.

    Args:
        served: The model, whose name, version and replica stand in `lepton_model_info`.

    Example:

        >>> from lepton_ai.platform.preprocessing.signature import Signature, Task, TensorSpec
        >>> tensor = TensorSpec("x", "float32", (None, 1))
        >>> metrics = Metrics(ServedModel("house", "1", Signature(Task.REGRESSION, (tensor,), (tensor,))))
        >>> metrics.request_ended("/predict", 200, seconds=0.003, rows=2)
        >>> b'lepton_model_requests_total{route="/predict",status="200"} 1.0' in metrics.text()
        True
    """

    def __init__(self, served: ServedModel) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        info = Gauge(
            "lepton_model_info",
            "The model version that this replica serves.",
            ("model", "version", "replica"),
            registry=self._registry,
        )
        info.labels(served.name, served.version, served.replica).set(1)
        self._requests = Counter(
            "lepton_model_requests", "Requests that were answered.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "lepton_model_request_duration_seconds",
            "From the request's head to the end of its answer.",
            ("route",),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._rows = Counter("lepton_model_rows", "Rows that the model has answered.", registry=self._registry)

    def request_ended(self, route: str, status: int, *, seconds: float, rows: int = 0) -> None:
        """Count one request. `route` is the path's pattern, never the path itself, of which there are without end."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)
        self._rows.inc(rows)

    def text(self) -> bytes:
        """All of it in the text format."""
        return generate_latest(self._registry)
