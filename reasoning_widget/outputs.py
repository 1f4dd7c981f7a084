"""Handle the outputs of tools: MIME bundles in order. In version 1 of the protocol, a step had one bundle for all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from .protocol import JSON, MAX_FRAME_BYTES, MimeBundle, encode

PICTURES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif")
"""The MIME types of the pictures that are shown. Their values in MIME bundles are base64."""

SVG: Final = "image/svg+xml"
"""The MIME type of drawings. Their values in MIME bundles are XML."""

PLAIN: Final = "text/plain"
"""The MIME type of printed text. It is shown above other representations, unless it is only a `<…>` placeholder."""

_REPRESENTATION: Final = re.compile(r"\s*<[^<>\n]*>\s*")

_FRAME_OVERHEAD: Final = 256
"""The most bytes that a frame adds to a step."""

_NUMBERED_PICTURE: Final = re.compile(r"(image/[^;]+);n=(\d+)")
"""The keys of a second and further pictures in version 1."""


def is_printed(bundle: MimeBundle) -> bool:
    """Whether an output is plain text only."""
    return bundle.keys() == {PLAIN}


def is_placeholder_text(bundle: MimeBundle) -> bool:
    """Whether the text of an output is only a placeholder for its other representations, such as `<Figure>`."""
    text = bundle.get(PLAIN)
    return len(bundle) > 1 and isinstance(text, str) and _REPRESENTATION.fullmatch(text) is not None


def outputs_of(step: Mapping[str, Any]) -> list[MimeBundle]:
    """Return the outputs of a step of any version, in order. Do not change them."""
    if "outputs" in step:
        given = step["outputs"]
    else:
        given = step.get("output")
        if isinstance(given, dict):
            return _from_version_1(given)
    return [bundle for bundle in given if isinstance(bundle, dict)] if isinstance(given, list | tuple) else []


def with_outputs(step: Mapping[str, Any]) -> JSON:
    """Return a copy of a step in which `outputs` replaces the `output` of version 1."""
    copy = dict(step)
    output = copy.pop("output", None)
    if output is not None and "outputs" not in copy:
        outputs = copy["outputs"] = outputs_of(step)
        if isinstance(copy.get("scaled"), dict):
            copy["scaled"] = {_output_index(outputs, output, key): size for key, size in copy["scaled"].items()}
    return copy


def _output_index(outputs: list[MimeBundle], output: Any, key: str) -> str:
    """Return the index of the output with the value that version 1 stored under `key`."""
    value = output.get(key) if isinstance(output, dict) else None
    return next((str(entry) for entry, bundle in enumerate(outputs) if value in bundle.values()), key)


def with_version_1_output(step: JSON) -> JSON:
    """Add `output` to a copy of a step for version 1 clients: all printed text, and the first value of each type.

    It is omitted if the step would be too long for a frame with it.
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
    """Convert the bundle of version 1 to one output, plus one for each further picture."""
    numbered = {key: match for key in output if (match := _NUMBERED_PICTURE.fullmatch(key))}
    first = {mime: value for mime, value in output.items() if mime not in numbered}
    in_order = sorted(numbered, key=lambda key: int(numbered[key][2]))
    return [*([first] if first else []), *({numbered[key][1]: output[key]} for key in in_order)]
