from __future__ import annotations

from typing import Any

import pytest

from reasoning_widget.bundles import mime_of, put_together


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ({}, {"image/png": "a"}, {"image/png": "a"}),
        ({"image/png": "a"}, {"image/png": "b"}, {"image/png": "a", "image/png;n=2": "b"}),
        (
            {"image/png": "a", "image/png;n=2": "b"},
            {"image/png": "c", "image/png;n=2": "d"},
            {"image/png": "a", "image/png;n=2": "b", "image/png;n=3": "c", "image/png;n=4": "d"},
        ),
        # One thing in two forms is one picture; a view would draw only one of two types.
        ({"image/jpeg": "a"}, {"image/jpeg": "b", "image/png": "b"}, {"image/jpeg": "a", "image/png;n=2": "b"}),
        ({"image/png": "a"}, {"image/svg+xml": "<svg/>"}, {"image/png": "a", "image/svg+xml;n=2": "<svg/>"}),
        ({"text/html": "<p>a"}, {"image/png": "b"}, {"text/html": "<p>a", "image/png;n=2": "b"}),
        ({"image/png": "a"}, {"text/html": "<p>b"}, {"image/png;n=1": "a", "text/html": "<p>b"}),
        (
            {"image/png;n=1": "a", "text/html": "<p>b"},
            {"image/png": "c", "text/html": "<img>"},
            {"image/png;n=1": "a", "text/html": "<p>b", "image/png;n=2": "c"},
        ),
        ({"text/html": "<p>a"}, {"text/html": "<p>b"}, {"text/html": "<p>a\n\n<p>b"}),
        (
            {"text/plain": "a", "application/json": 1},
            {"text/plain": "b"},
            {"text/plain": "a\nb", "application/json": 1},
        ),
    ],
)
def test_nothing_is_lost_where_two_things_are_put_together(
    first: dict[str, Any], second: dict[str, Any], both: dict[str, Any]
) -> None:
    given = dict(first), dict(second)

    assert put_together(first, second) == both
    assert (first, second) == given


def test_the_type_of_a_further_picture_is_known() -> None:
    assert mime_of("image/svg+xml;n=12") == "image/svg+xml"
    assert mime_of("text/plain") == "text/plain"
