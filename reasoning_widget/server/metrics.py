"""The server's metrics, in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

_PREFIX: Final = "reasoning_widget"


class _Runs(Protocol):
    @property
    def running(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def workers(self) -> int: ...


class Measured(Protocol):
    """The sessions, connections and runs that are measured."""

    @property
    def live(self) -> Sized:
        """The sessions that are loaded."""

    @property
    def sockets(self) -> Sized:
        """The open connections."""

    @property
    def runner(self) -> _Runs:
        """The pool of workers, which executes the runs."""


class Metrics(Collector):
    """The metrics of a server, in a registry of their own.

    Args:
        service: What is measured.
    """

    def __init__(self, service: Measured) -> None:
        self._registry = CollectorRegistry()
        self._messages = self._bytes = 0
        self._registry.register(self)
        gauges = {
            "live_sessions": ("Sessions in memory", lambda: len(service.live)),
            "sockets": ("Open WebSockets", lambda: len(service.sockets)),
            "runs": ("Active runs", lambda: service.runner.running),
            "waiting_runs": ("Runs that wait until others have ended", lambda: service.runner.waiting),
            "workers": ("Worker processes, with a run or spare", lambda: service.runner.workers),
        }
        for name, (text, value) in gauges.items():
            Gauge(f"{_PREFIX}_{name}", text, registry=self._registry).set_function(value)

    def count_sent(self, messages: int, size: int) -> None:
        """Count messages that were sent.

        Args:
            messages: The number of messages. They are too many for a `prometheus_client.Counter`, which takes a lock.
            size: Their total size, in bytes.
        """
        self._messages += messages
        self._bytes += size

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Return the counters, as Prometheus's registry requests them."""
        yield CounterMetricFamily(f"{_PREFIX}_sent_messages", "Messages sent over WebSockets", self._messages)
        yield CounterMetricFamily(f"{_PREFIX}_sent_bytes", "Bytes of messages sent over WebSockets", self._bytes)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)
