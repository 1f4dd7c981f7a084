"""What tools show: MIME bundles in order, each of them one thing in one form or several. Version 1 had one for all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from .protocol import JSON, MAX_FRAME_BYTES, MimeBundle, encode

PICTURES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif")
"""The MIME types of pictures that are shown: base64 in a MIME bundle."""

SVG: Final = "image/svg+xml"
"""Of drawings: XML in a MIME bundle."""

PLAIN: Final = "text/plain"
"""What was printed. Beside other forms it is shown above them, unless it is a mere `<…>` that stands for them."""

_REPRESENTATION: Final = re.compile(r"\s*<[^<>\n]*>\s*")

_FRAME_OVERHEAD: Final = 256
"""Bytes of a frame around a step, at most."""

_NUMBERED_PICTURE: Final = re.compile(r"(image/[^;]+);n=(\d+)")
"""How version 1 named further pictures."""


def is_printed(bundle: MimeBundle) -> bool:
    """Whether an output is nothing but text."""
    return bundle.keys() == {PLAIN}


def is_placeholder_text(bundle: MimeBundle) -> bool:
    """Whether the text of an output says no more than which object its other forms show."""
    text = bundle.get(PLAIN)
    return len(bundle) > 1 and isinstance(text, str) and _REPRESENTATION.fullmatch(text) is not None


def outputs_of(step: Mapping[str, Any]) -> list[MimeBundle]:
    """What a step shows, in order, whichever version it is of. Only to be read."""
    if "outputs" in step:
        given = step["outputs"]
    else:
        given = step.get("output")
        if isinstance(given, dict):
            return _from_version_1(given)
    return [bundle for bundle in given if isinstance(bundle, dict)] if isinstance(given, list | tuple) else []


def with_outputs(step: Mapping[str, Any]) -> JSON:
    """A copy of a step that has `outputs`, if it shows anything, and no `output`."""
    copy = dict(step)
    output = copy.pop("output", None)
    if output is not None and "outputs" not in copy:
        outputs = copy["outputs"] = outputs_of(step)
        if isinstance(copy.get("scaled"), dict):
            copy["scaled"] = {_output_index(outputs, output, key): size for key, size in copy["scaled"].items()}
    return copy


def _output_index(outputs: list[MimeBundle], output: Any, key: str) -> str:
    """Which of the outputs has what version 1 had under `key`."""
    value = output.get(key) if isinstance(output, dict) else None
    return next((str(entry) for entry, bundle in enumerate(outputs) if value in bundle.values()), key)


def with_version_1_output(step: JSON) -> JSON:
    """A copy of a step for those who know version 1: `output` has all that was printed, and the first of each type.

    It is left out where both would be too long for a frame.
    """
    output: MimeBundle = {}
    for bundle in step["outputs"]:
        for mime, value in bundle.items():
            if mime == PLAIN and is_printed(bundle):
                output[mime] = f"{output.get(mime, '')}{value}"
            elif mime != PLAIN:
                output.setdefault(mime, value)
    copy = {**step, "output": output} if output else step
    return copy if len(encode(copy)) < MAX_FRAME_BYTES - _FRAME_OVERHEAD else step


def _from_version_1(output: MimeBundle) -> list[MimeBundle]:
    """All of it is one output, but for further pictures."""
    numbered = {key: match for key in output if (match := _NUMBERED_PICTURE.fullmatch(key))}
    first = {mime: value for mime, value in output.items() if mime not in numbered}
    in_order = sorted(numbered, key=lambda key: int(numbered[key][2]))
    return [*([first] if first else []), *({numbered[key][1]: output[key]} for key in in_order)]
