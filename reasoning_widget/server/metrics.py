"""What the server is doing, in numbers, in the form that Prometheus reads."""

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
    """What the numbers are about: a server's sessions, connections and runs."""

    @property
    def live(self) -> Sized:
        """The sessions in memory."""

    @property
    def sockets(self) -> Sized:
        """The open connections."""

    @property
    def runner(self) -> _Runs:
        """What executes the runs."""


class Metrics(Collector):
    """The numbers of one server, in a registry of their own.

    Args:
        service: What they are about.
    """

    def __init__(self, service: Measured) -> None:
        self._registry = CollectorRegistry()
        self._messages = self._bytes = 0
        self._registry.register(self)
        gauges = {
            "live_sessions": ("Sessions in memory", lambda: len(service.live)),
            "sockets": ("WebSockets that are open", lambda: len(service.sockets)),
            "runs": ("Runs that are on", lambda: service.runner.running),
            "waiting_runs": ("Runs that wait for others to end", lambda: service.runner.waiting),
            "workers": ("Processes in which agents run, or stand ready", lambda: service.runner.workers),
        }
        for name, (text, value) in gauges.items():
            Gauge(f"{_PREFIX}_{name}", text, registry=self._registry).set_function(value)

    def count_sent(self, messages: int, size: int) -> None:
        """Messages, of `size` bytes together, were sent. This happens too often for a `prometheus_client.Counter`."""
        self._messages += messages
        self._bytes += size

    def collect(self) -> Iterator[CounterMetricFamily]:
        """See `prometheus_client.registry.Collector`."""
        yield CounterMetricFamily(f"{_PREFIX}_sent_messages", "Messages sent over WebSockets", self._messages)
        yield CounterMetricFamily(f"{_PREFIX}_sent_bytes", "Bytes of messages sent over WebSockets", self._bytes)

    def text(self) -> bytes:
        """All of them, in Prometheus's text format."""
        return generate_latest(self._registry)
