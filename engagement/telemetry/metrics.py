"""What a process counts and measures, for Prometheus, and the log line of each operation.

No label names a member, a program or anything else that a client chose: a value of a label is one of a few words of ours.
Each process has its own registry and is scraped by itself; `docs/operations.md` says what to make of each metric.
"""

import time
from collections.abc import Iterable
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engagement.observer import INTERNAL, Answer, BatchReport, Connection, Observer
from engagement.records.unit import Database
from engagement.telemetry.lag import Lag

NAME_LENGTH_MAX: Final = 64
"""A client names its operations; more of a name than this is not logged."""

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_EVENTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000)

_log = structlog.get_logger(__name__)


class Telemetry(Observer):
    """Counts what it is told, and logs operations, batches that failed and slow news of the worker."""

    def __init__(self, database: Database, lag: Lag) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._state = _State(database, lag)
        self.registry.register(self._state)
        self._make_request_metrics(self.registry)
        self._make_batch_metrics(self.registry)
        self._make_worker_metrics(self.registry)

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self.registry)

    def answered(self, answer: Answer) -> None:
        """Count and log an operation."""
        self._requests.labels(answer.kind, answer.code).inc()
        if answer.kind != "subscription":
            self._request_seconds.labels(answer.kind).observe(answer.seconds)
        log = _log.error if answer.code == INTERNAL else _log.info
        log(
            "request",
            request_id=answer.request_id,
            program=answer.program_id,
            transport=answer.transport,
            kind=answer.kind,
            operation=answer.name and answer.name[:NAME_LENGTH_MAX],
            code=answer.code,
            ms=round(answer.seconds * 1000, 1),
        )

    def connected(self, connection: Connection, change: int) -> None:
        """Count open connections."""
        self._connections.labels(connection).inc(change)

    def batch_committed(self, batch: BatchReport) -> None:
        """Count a batch by what it did."""
        seconds = time.perf_counter() - batch.begun
        self._batches.labels("OK").inc()
        self._batch_events.observe(batch.events)
        self._batch_seconds.observe(seconds)
        self._fold_seconds.observe(batch.folding_seconds)
        self._refolds.labels("short").inc(batch.refolds)
        self._refolds.labels("pending").inc(batch.postponed)
        _log.debug(
            "batch",
            program=batch.program_id,
            requests=batch.requests,
            events=batch.events,
            ms=round(seconds * 1000, 1),
            fold_ms=round(batch.folding_seconds * 1000, 1),
        )

    def batch_failed(self, batch: BatchReport, code: str) -> None:
        """Count and log a batch of which nothing was taken."""
        self._batches.labels(code).inc()
        _log.warning("batch failed", program=batch.program_id, requests=batch.requests, events=batch.events, code=code)

    def round_done(self, seconds: float, failures: int) -> None:
        """Count a round of the worker."""
        self._rounds.labels("failed" if failures else "done").inc()
        self._round_seconds.observe(seconds)

    def outbox_seen(self, oldest_seconds: float) -> None:
        """Remember the outbox's age until it is looked at again."""
        self._state.outbox_seconds = oldest_seconds

    def _make_request_metrics(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "engagement_requests",
            "GraphQL operations that ended, by kind (query, mutation, subscription, unknown) and by outcome: OK, or the"
            " code of the refusal or first error.",
            ("kind", "code"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "engagement_request_duration_seconds",
            "Time from a query's or mutation's headers to the last byte of its answer.",
            ("kind",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._connections = Gauge(
            "engagement_open_connections",
            "Long-lived connections of this process: WebSockets, and streams (server-sent events, multipart).",
            ("transport",),
            registry=registry,
        )
        for each in ("websocket", "stream"):
            self._connections.labels(each)

    def _make_batch_metrics(self, registry: CollectorRegistry) -> None:
        self._batches = Counter(
            "engagement_batches",
            "Transactions of recordEvents, by outcome: OK, or the code for which nothing was taken.",
            ("code",),
            registry=registry,
        )
        self._batch_events = Histogram(
            "engagement_batch_size_events", "Events in a committed batch.", buckets=_EVENTS, registry=registry
        )
        self._batch_seconds = Histogram(
            "engagement_batch_duration_seconds",
            "Time of a committed batch, from asking for a connection to the commit.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._fold_seconds = Histogram(
            "engagement_batch_fold_duration_seconds",
            "What the rules took of a committed batch's time, on this process's CPU.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._refolds = Counter(
            "engagement_refolds",
            "Members folded again because something came late: short ones at once, pending ones left to the worker.",
            ("kind",),
            registry=registry,
        )
        for each in ("short", "pending"):
            self._refolds.labels(each)

    def _make_worker_metrics(self, registry: CollectorRegistry) -> None:
        self._rounds = Counter(
            "engagement_worker_rounds",
            "Rounds of the worker: done, or failed where a job of it has to be tried again.",
            ("outcome",),
            registry=registry,
        )
        for each in ("done", "failed"):
            self._rounds.labels(each)
        self._round_seconds = Histogram(
            "engagement_worker_round_duration_seconds",
            "Time of a worker's round.",
            buckets=(*_SECONDS, 30.0, 120.0),
            registry=registry,
        )


class _State(Collector):
    """What is looked at when somebody asks, and costs nothing until then."""

    def __init__(self, database: Database, lag: Lag) -> None:
        self.outbox_seconds: float | None = None
        self._database = database
        self._lag = lag

    def collect(self) -> Iterable[Metric]:
        """The present values."""
        pool = self._database.pool
        yield GaugeMetricFamily(
            "engagement_database_connections_in_use", "Connections to PostgreSQL with an open transaction.", pool.in_use
        )
        yield GaugeMetricFamily(
            "engagement_database_connections_waiting", "Transactions that wait for a connection.", pool.waiting
        )
        yield GaugeMetricFamily(
            "engagement_database_connections_max", "Connections to PostgreSQL that this process may have.", pool.size
        )
        yield GaugeMetricFamily(
            "engagement_event_loop_lag_seconds",
            "The latest that the event loop was in the last half minute.",
            self._lag.worst_seconds,
        )
        outbox = GaugeMetricFamily(
            "engagement_outbox_oldest_age_seconds",
            "Age of the oldest message in PostgreSQL that has not reached Redis, at the worker's last look. Only where a"
            " worker runs.",
        )
        if self.outbox_seconds is not None:
            outbox.add_metric((), self.outbox_seconds)
        yield outbox
