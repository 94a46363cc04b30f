"""The API's own figures."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class ApiMetrics:
    """Counters of one app, registered in its registry. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "gridwatch_api_requests", "Requests answered, by route and status.", ("method", "route", "status"),
            registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "gridwatch_api_request_seconds", "Seconds to the first byte of the answer, by route.", ("route",),
            buckets=(0.005, 0.02, 0.1, 0.5, 2.0, 10.0), registry=registry,
        )  # fmt: skip
        self.logins = Counter("gridwatch_api_logins", "Logins by outcome.", ("outcome",), registry=registry)
        self.streams = Gauge("gridwatch_api_streams", "Live streams open now.", registry=registry)
        self.stream_messages = Counter(
            "gridwatch_api_stream_messages", "Incident messages sent to live streams.", registry=registry
        )
