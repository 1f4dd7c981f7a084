"""Convert what tools return, for the transcript and for the model: pictures, tables, plots, and files named in a text.

Nothing is fetched from the network. Objects of other libraries are recognized by their methods, without importing the
library.
"""

from __future__ import annotations

import base64
import binascii
import json
import mimetypes
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from ...compat.pyplot import figure_bundle
from ...outputs import PICTURES, PLAIN, SVG
from ...parts import image_type
from ...protocol import MimeBundle

_MAX_IMAGE_BYTES: Final = 8 * 1024 * 1024
_MAX_OUTPUTS: Final = 20
"""How many pictures, tables and other outputs of one result are shown."""

_HEAD_ROWS: Final = 5
_MAX_REPR: Final = 2_000
"""How much of an object's text the model gets, in characters."""
_MAX_DEPTH: Final = 6
"""How many levels of lists and dictionaries are described item by item."""
_MARKDOWN_IMAGE: Final = re.compile(r"!\[[^\]\n]*\]\(([^()\n]*(?:\([^()\n]*\)[^()\n]*)*)\)")
"""A picture in Markdown, whose address may contain pairs of brackets."""


def field(message: Any, name: str) -> Any:
    """Return a field of a message, which is an object or a dictionary, or None if it has no such field."""
    return message.get(name) if isinstance(message, dict) else getattr(message, name, None)


class ShownText(str):
    """The text of a tool's result, with its outputs.

    Attributes:
        outputs: MIME bundles to show with the text.
    """

    __slots__ = ("outputs",)

    outputs: list[MimeBundle]

    def __new__(cls, text: str, outputs: Iterable[MimeBundle] = ()) -> Self:
        """Create a text with outputs."""
        self = super().__new__(cls, text)
        self.outputs = list(outputs)
        return self


def for_model(value: Any) -> Any:
    """Convert what a tool returned to something that Qwen-Agent can pass to a model.

    Returns:
        `value` itself if it is a text, a list of Qwen-Agent's `ContentItem`, or valid JSON; for other objects a short
        text, with what a notebook would show as its outputs.
    """
    if isinstance(value, str) or _is_content(value) or _is_json(value):
        return value
    return _describe(value)


def without_surrogates(text: str) -> str:
    """Replace lone surrogates, which file names may contain, because no request can contain them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def text_and_outputs(value: Any) -> tuple[str, list[MimeBundle]]:
    """Return the text and the outputs of a result for the transcript, given what `for_model` returned."""
    if isinstance(value, ShownText):
        return str(value), value.outputs
    if isinstance(value, str):
        return value, _pictures_in_markdown(value)
    if _is_content(value):
        return render(value)
    if _is_retrieval(value):
        return "\n\n".join("\n\n".join([source["url"], *source["text"]]) for source in value), []
    return json.dumps(value, ensure_ascii=False, indent=2, default=str), []


def render(content: Any) -> tuple[str, list[MimeBundle]]:
    """Return the content of a Qwen-Agent message as text, which names its pictures, and the pictures as bundles."""
    if isinstance(content, str):
        return content, []
    texts: list[str] = []
    outputs: list[MimeBundle] = []
    for item in content or []:
        for kind, value in (item if isinstance(item, dict) else item.model_dump(exclude_none=True)).items():
            if kind == "text":
                texts.append(value)
            else:
                picture = picture_at(value) if kind == "image" and isinstance(value, str) else {}
                texts.append(f"[{kind}: {next(iter(picture), None) or _name_of(value)}]")
                if picture:
                    outputs.append(picture)
    return "\n".join(texts), outputs


def picture_at(address: str) -> MimeBundle:
    """Return the MIME bundle of a picture in a file or a ``data:`` URL; empty if it is missing or too large."""
    if address.startswith("data:"):
        head, _, body = address[5:].partition(",")
        mime, *options = head.split(";")
        if mime in PICTURES and "base64" in options:
            return {mime: body}
        return {SVG: _svg_of(body, options)} if mime == SVG else {}
    path = _local_path(address)
    if path is None:
        return {}
    try:
        if not path.is_file() or path.stat().st_size > _MAX_IMAGE_BYTES:
            return {}
        data = path.read_bytes()
    except OSError:
        return {}
    mime_type = image_type(data)
    if mime_type is not None:
        return {mime_type: base64.b64encode(data).decode("ascii")}
    is_drawing = mimetypes.guess_type(path.name)[0] == SVG and b"<svg" in data
    return {SVG: data.decode(errors="replace")} if is_drawing else {}


def picture_of(mime: str, encoded: str) -> MimeBundle:
    """Return the MIME bundle of a picture in base64; empty if it is too large, or of a type that is not shown."""
    return picture_at(f"data:{mime};base64,{encoded}") if len(encoded) <= _MAX_IMAGE_BYTES * 4 // 3 + 4 else {}


def _pictures_in_markdown(text: str) -> list[MimeBundle]:
    """Return the pictures of a Markdown text that are local files or ``data:`` URLs."""
    addresses = (
        match[1].strip().removeprefix("<").removesuffix(">").strip() for match in _MARKDOWN_IMAGE.finditer(text)
    )
    pictures = (picture_at(address) for address in list(dict.fromkeys(addresses))[:_MAX_OUTPUTS])
    return [picture for picture in pictures if picture]


def _local_path(address: str) -> Path | None:
    if address.startswith("//"):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:  # not a valid address
        return None
    if parts.scheme == "file":
        return Path(unquote(parts.path)) if parts.netloc in {"", "localhost"} else None
    is_drive = len(parts.scheme) == 1  # C:\…
    if parts.scheme and not is_drive:
        return None
    try:
        path = Path(address)
        return path if path.exists() else Path(unquote(address))
    except (OSError, ValueError):  # too long for a file name, or with a null character
        return None


def _svg_of(body: str, options: Sequence[str]) -> str:
    if "base64" not in options:
        return unquote(body)
    try:
        return base64.b64decode(body).decode(errors="replace")
    except binascii.Error:
        return ""


def _name_of(value: Any) -> str:
    return value if isinstance(value, str) and not value.startswith("data:") else "data"


# Objects ----------------------------------------------------------------------------------------------------------


def _describe(value: Any, around: tuple[int, ...] = ()) -> ShownText:
    """Return an object as text and outputs. Lists and dictionaries are described item by item.

    Args:
        value: The object.
        around: The ids of the lists and dictionaries that contain it.
    """
    if id(value) in around:
        return ShownText("…")
    try:
        if len(around) < _MAX_DEPTH and isinstance(value, Mapping):
            return _describe_items([(f"{key}: ", item) for key, item in value.items()], (*around, id(value)))
        if len(around) < _MAX_DEPTH and type(value) in {list, tuple}:
            return _describe_items([("", item) for item in value], (*around, id(value)))
        bundle = _bundle_of(value)
        plain = bundle.pop(PLAIN, None)  # repeated by the text
        return ShownText(_short_text(value, plain if isinstance(plain, str) else None), [bundle] if bundle else ())
    except Exception as error:  # noqa: BLE001 (the objects of tools may raise anything)
        return ShownText(f"{type(value).__name__}, which cannot be shown: it raised {type(error).__name__}")


def _describe_items(items: list[tuple[str, Any]], around: tuple[int, ...]) -> ShownText:
    texts: list[str] = []
    outputs: list[MimeBundle] = []
    for name, item in items:
        if isinstance(item, str) or _is_json(item):
            texts.append(f"{name}{item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)}")
            continue
        part = _describe(item, around)
        texts.append(f"{name}{part}")
        outputs += part.outputs[: _MAX_OUTPUTS - len(outputs)]
    return ShownText("\n".join(texts), outputs)


def _bundle_of(value: Any) -> MimeBundle:
    """Return what Jupyter would show of an object, in every format that IPython has for it."""
    shell = _shell()
    if shell is not None:
        formatter = shell.display_formatter
    else:
        from IPython.core.formatters import DisplayFormatter

        formatter = DisplayFormatter()
    found, _ = formatter.format(value)
    bundle = {mime: _encoded(each) for mime, each in found.items()}
    if not any(mime in bundle for mime in (*PICTURES, SVG)):
        bundle = {**bundle, **_plot_of(value)}
    best = next((mime for mime in PICTURES if mime in bundle), None)
    return {mime: each for mime, each in bundle.items() if mime not in PICTURES or mime == best}


def _shell() -> Any:
    from ...host import ipython_shell  # imported here so that tests can replace it

    return ipython_shell()


def _encoded(value: Any) -> Any:
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value


def _plot_of(value: Any) -> dict[str, Any]:
    """Return the picture of a Matplotlib figure or of its axes, which IPython only formats with its inline backend."""
    if not type(value).__module__.startswith(("matplotlib.", "seaborn.")):
        return {}
    figure = value if hasattr(value, "savefig") else getattr(value, "figure", None)
    if not hasattr(figure, "savefig"):
        return {}
    return {mime: each for mime, each in figure_bundle(figure).items() if mime != "text/plain"}


def _short_text(value: Any, plain: str | None) -> str:
    """Return an object as text for a model: the shape and first rows of a table, the beginning of anything else."""
    kind = type(value).__name__
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape and callable(getattr(value, "head", None)):
        size = f"{shape[0]:,} rows and {shape[1]:,} columns" if len(shape) > 1 else f"{shape[0]:,} values"
        head = str(value.head(_HEAD_ROWS))
        first = f"; the first {_HEAD_ROWS}" if isinstance(shape[0], int) and shape[0] > _HEAD_ROWS else ""
        return f"{kind} with {size}{first}:\n{_shortened(head)}"
    return _shortened(plain if plain is not None else repr(value))


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_REPR else f"{text[:_MAX_REPR]}… ({len(text) - _MAX_REPR:,} more characters)"


def _is_content(value: Any) -> bool:
    from qwen_agent.llm.schema import ContentItem

    return isinstance(value, list) and bool(value) and all(isinstance(item, ContentItem) for item in value)


def _is_retrieval(value: Any) -> bool:
    """Return whether the value is a result of Qwen-Agent's retrieval: texts and their sources."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and item.keys() == {"url", "text"} for item in value)
        and all(isinstance(item["url"], str) and _is_texts(item["text"]) for item in value)
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
