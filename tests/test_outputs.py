from __future__ import annotations

import copy
from typing import Any

import pytest

from reasoning_widget.outputs import outputs_of, with_outputs, with_version_1_output

PRINTED = {"text/plain": "printed\n"}
PICTURE = {"image/png": "YQ=="}


@pytest.mark.parametrize(
    ("step", "outputs"),
    [
        ({}, []),
        ({"output": {}}, []),
        ({"output": PRINTED}, [PRINTED]),
        ({"output": PICTURE}, [PICTURE]),
        ({"output": {**PICTURE, "text/html": "<p>"}}, [{**PICTURE, "text/html": "<p>"}]),
        ({"output": {**PICTURE, **PRINTED}}, [{**PICTURE, **PRINTED}]),
        ({"output": {"image/png;n=10": "Yw==", **PICTURE, "image/png;n=2": "Yg=="}}, [PICTURE, "Yg==", "Yw=="]),
        ({"output": {"image/png;n=1": "YQ==", "text/html": "<p>"}}, [{"text/html": "<p>"}, PICTURE]),
        ({"outputs": [PRINTED, PICTURE], "output": PICTURE}, [PRINTED, PICTURE]),
        # A list under the old name, and a value that is not a list.
        ({"output": [PRINTED, PICTURE]}, [PRINTED, PICTURE]),
        ({"outputs": None}, []),
        ({"outputs": ["?", PICTURE]}, [PICTURE]),
        ({"output": "?"}, []),
    ],
)
def test_the_outputs_of_a_step_are_read_in_any_version(step: dict[str, Any], outputs: list[Any]) -> None:
    given = copy.deepcopy(step)
    expected = [{"image/png": each} if isinstance(each, str) else each for each in outputs]

    assert outputs_of(step) == expected
    assert with_outputs(step).get("outputs") in (expected, step.get("outputs"))
    assert "output" not in with_outputs(step)
    assert step == given


def test_the_sizes_of_pictures_are_read_in_version_1() -> None:
    output = {**PRINTED, **PICTURE, "image/png;n=2": "Yg=="}
    step = {"output": output, "scaled": {"image/png": [9, 6], "image/png;n=2": [8, 5]}}

    assert with_outputs(step)["scaled"] == {"0": [9, 6], "1": [8, 5]}


def test_a_client_of_version_1_gets_all_printed_text_and_the_first_output_of_each_type() -> None:
    step = {"outputs": [PRINTED, PICTURE, {"text/plain": "more"}, {"image/png": "Yg==", "text/plain": "<Figure>"}]}

    assert with_version_1_output(step)["output"] == {"text/plain": "printed\nmore", **PICTURE}


def test_outputs_too_long_for_a_second_copy_in_a_frame_are_sent_once() -> None:
    step = {"content": "x" * 256_000, "outputs": [{"text/html": "y" * 200_000}]}

    assert with_version_1_output(step) == step
