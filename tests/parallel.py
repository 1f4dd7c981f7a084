"""Hooks that pytest-xdist needs to run these tests in several processes."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Generator
from typing import Any, Final

import pytest

_FIRST: Final = ("slow", "browser", "server", "kernel", "model", "unit")


@pytest.hookimpl(trylast=True)  # after the tiers are known
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest files first, so that no process is left with one after the others have finished."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    ranks: dict[object, int] = {}
    for item in items:
        rank = min(_FIRST.index(mark.name) for mark in item.iter_markers() if mark.name in _FIRST)
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (ranks[item.path], -tests[item.path]))


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    """Replace lone surrogates, which some tests log: a report that contains one cannot be sent between processes."""
    data = yield
    text = json.dumps(data, ensure_ascii=False)
    return data if text.isascii() else json.loads(text.encode("utf-8", "replace"))
