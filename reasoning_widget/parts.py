"""Convert the parts of prompts between programs, the wire (`Part`) and the log (`LoggedPart`)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import mimetypes
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeGuard, cast
from urllib.parse import unquote_to_bytes

from .protocol import (
    IMAGE_TYPES,
    MAX_ATTACHMENTS,
    MAX_CHAT_BYTES,
    MAX_FILE_BYTES,
    MAX_FRAME_BYTES,
    MAX_IMAGE_BYTES,
    MAX_MESSAGE_BYTES,
    PART_TYPES,
    AttachedFile,
    AttachedImage,
    Attachment,
    FilePart,
    ImagePart,
    LoggedPart,
    Part,
    PartKind,
    ProtocolError,
    TextPart,
    encode,
)

Prompt = str | Sequence[Mapping[str, Any]]
"""A prompt: a text, or a list of parts, each with one of `text`, `image` and `file`. An image or a file is given as a
path, as bytes, or as a `data:` address; `name` is its file name, which defaults to that of the path."""

_AnyPart = TextPart | ImagePart | FilePart | AttachedImage | AttachedFile

_DEFAULT_TYPE: Final = "application/octet-stream"
_MIME: Final = re.compile(r"[\w.+-]{1,64}/[\w.+-]{1,64}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_MAX_NAME: Final = 200
"""The longest file name, in code points. It may be too long in bytes for a file system: code that writes files must
shorten it."""
_EVENT_OVERHEAD: Final = 4096
"""The most bytes that an event adds to the parts of a message."""
_LIMITS: Final[dict[PartKind, int]] = {"image": MAX_IMAGE_BYTES, "file": MAX_FILE_BYTES}
_SIGNATURES: Final = (
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
)


class Content(NamedTuple):
    """The content of a `data:` address."""

    mime: str
    data: bytes


class LoggedPrompt(NamedTuple):
    """A prompt as it is logged."""

    content: str
    """The text of the prompt, or the names of its attachments if it has no text."""
    parts: list[LoggedPart] | None
    """None if the prompt is only a text."""
    blobs: dict[str, str]
    """The contents of the attachments in base64, by their SHA-256."""


def is_parts(prompt: object) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    """Whether a prompt is a list of parts, not a text."""
    return isinstance(prompt, Sequence) and not isinstance(prompt, str | bytes)


# From a program to the wire


def as_message(prompt: Prompt) -> str | list[Part]:
    """Convert a prompt to its form on the wire: a text, or parts if there are attachments. Reads the files.

    Raises:
        ValueError: A part is malformed, cannot be read, or is rejected. The message says which and why.
    """
    if isinstance(prompt, str):
        return prompt
    if not is_parts(prompt):
        raise ValueError(f"a prompt is a text or a list of parts, not {type(prompt).__name__}: {_EXAMPLE}")
    parts = [_as_part(part) for part in prompt]
    if not any(map(_is_attached, parts)):
        return text_of(parts)
    return parts


_EXAMPLE: Final = 'write `[{"text": "What is this?"}, {"image": "plot.png"}]`'


def _as_part(part: object) -> Part:
    kinds = [kind for kind in PART_TYPES if kind in part] if isinstance(part, Mapping) else []
    if not isinstance(part, Mapping) or len(kinds) != 1:
        raise ValueError(f"a part of a prompt has one of `text`, `image` and `file`: {_EXAMPLE}")
    kind, value, name = kinds[0], part[kinds[0]], part.get("name")
    if name is not None and not isinstance(name, str):
        raise ValueError(f"the `name` of a part is a text, not {type(name).__name__}")
    if kind == "text":
        if not isinstance(value, str):
            raise ValueError(f"the `text` of a part is a text, not {type(value).__name__}")
        return {"text": value}
    address, name = _as_address(kind, value, name)
    if kind == "image":
        return {"image": address, "name": name}
    return {"file": address, "name": name}


def _as_address(kind: PartKind, value: object, name: str | None) -> tuple[str, str]:
    """Return the `data:` address of an attachment, and its name."""
    if isinstance(value, str) and _is_address(value):
        content = _content(kind, value, name)
    elif isinstance(value, str) and re.match(r"https?://", value, re.IGNORECASE):
        raise ValueError(f"{kind}: nothing is fetched from elsewhere; download it, and pass its path or its bytes")
    elif isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        if kind == "file" and not name:
            raise ValueError('a file that is given as bytes needs a `name`, such as "report.pdf"')
        content = Content(_guess_type(kind, data, name), data)
    elif isinstance(value, str | os.PathLike):
        path = Path(cast("str | os.PathLike[str]", value)).expanduser()
        name = name or path.name
        data = _read(kind, path)
        content = Content(_guess_type(kind, data, name), data)
    else:
        raise ValueError(f"the `{kind}` of a part is a path, bytes or a `data:` address, not {type(value).__name__}")
    name = clean_name(name or "") or _default_name(kind, content.mime)
    _check(kind, content, name)
    return f"data:{content.mime};base64,{base64.b64encode(content.data).decode()}", name


def _is_address(text: str) -> bool:
    return text[:5].lower() == "data:"


def _read(kind: PartKind, path: Path) -> bytes:
    try:
        _check_size(kind, path.name, path.stat().st_size)
        with path.open("rb") as file:
            return file.read(_LIMITS[kind] + 1)  # a device may be endless
    except OSError as error:
        raise ValueError(f"{kind} {path} cannot be read: {error.strerror or error}") from None


def _guess_type(kind: PartKind, data: bytes, name: str | None) -> str:
    return (image_type(data) if kind == "image" else None) or mimetypes.guess_type(name or "")[0] or _DEFAULT_TYPE


def _default_name(kind: PartKind, mime: str) -> str:
    return f"{kind}{mimetypes.guess_extension(mime) or ''}"


# From the wire to the log


def to_logged(message: str | list[Part]) -> LoggedPrompt:
    """Convert a prompt to its form in the log.

    Args:
        message: A text, or parts that `part_kind` has validated.

    Raises:
        ProtocolError: The prompt is empty or too long, or an attachment is rejected. The message says what to do.
    """
    if isinstance(message, str):
        _check_text(message)
        return LoggedPrompt(message, None, {})
    attached = sum(map(_is_attached, message))
    if attached > MAX_ATTACHMENTS:
        raise ProtocolError(
            "too_large",
            f"there are {attached} attachments, and {MAX_ATTACHMENTS} is the limit: send them in several messages",
        )
    text = text_of(message)
    if text or not attached:
        _check_text(text)
    blobs: dict[str, str] = {}
    parts = [_logged(part, blobs) for part in message]
    if sum(map(len, blobs.values())) > MAX_CHAT_BYTES - MAX_MESSAGE_BYTES:
        raise too_large_together()
    if not attached:
        return LoggedPrompt(text, None, {})
    logged = LoggedPrompt(text or ", ".join(names_of(parts)), parts, blobs)
    if len(encode(logged[:2])) > MAX_FRAME_BYTES - _EVENT_OVERHEAD:
        raise ProtocolError(
            "too_large", "the text beside the attachments is too long: put it into a file, and attach it"
        )
    return logged


def too_large_together() -> ProtocolError:
    """Return the error for attachments that are too large for one message."""
    limit = (MAX_CHAT_BYTES - MAX_MESSAGE_BYTES) * 3 // 4
    return ProtocolError(
        "too_large", f"the attachments are together larger than {_size(limit)}: send them in several messages"
    )


def _check_text(text: str) -> None:
    if not text.strip():
        raise ProtocolError("empty_message", "the message is empty: write what you want to know")
    size = len(text.encode())
    if size > MAX_MESSAGE_BYTES:
        raise ProtocolError(
            "too_large",
            f"the message is {size // 1024} KiB long, and {MAX_MESSAGE_BYTES // 1024} KiB is the limit: "
            "put the text into a file, and attach it or ask about it",
        )


def _logged(part: Part, blobs: dict[str, str]) -> LoggedPart:
    """Convert a part to its form in the log, and add its content to `blobs`."""
    if "text" in part:
        return {"text": part["text"]}
    if "image" in part:
        return {"image": _attachment("image", part["image"], part.get("name"), blobs)}
    return {"file": _attachment("file", part["file"], part["name"], blobs)}


def _attachment(kind: PartKind, address: str, name: str | None, blobs: dict[str, str]) -> Attachment:
    content = _content(kind, address, name)
    mime = content.mime
    if kind == "image":
        mime = image_type(content.data) or mime  # the declared type of a picture is often wrong
    shown = clean_name(name or "") or _default_name(kind, mime)
    _check(kind, Content(mime, content.data), shown)
    encoded = base64.b64encode(content.data).decode()
    sha256 = hashlib.sha256(encode(encoded)).hexdigest()
    blobs[sha256] = encoded
    return {"blob": sha256, "mime": mime, "bytes": len(content.data), "name": shown}


def clean_name(name: str) -> str:
    """Remove folders and control characters from the name of a file. Returns an empty text if nothing is left."""
    name = _CONTROL.sub("", re.split(r"[/\\]", name)[-1]).strip()
    if set(name) <= {"."}:
        return ""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 (not a path; pathlib treats a final dot differently)
    return f"{stem[: _MAX_NAME - len(suffix)]}{suffix}" if len(suffix) < _MAX_NAME // 4 else name[:_MAX_NAME]


def _check(kind: PartKind, content: Content, name: str) -> None:
    _check_size(kind, name, len(content.data))
    if kind == "image" and (content.mime not in IMAGE_TYPES or image_type(content.data) is None):
        is_known = content.mime in IMAGE_TYPES
        why = "its content is not such a picture" if is_known else f"it is {content.mime}"
        raise ProtocolError(
            "bad_attachment",
            f"image {name}: {why}; {_IMAGE_NAMES} are accepted: convert it, or attach it as a file",
        )


_IMAGE_NAMES: Final = "PNG, JPEG, GIF and WebP"


def _check_size(kind: PartKind, name: str, size: int) -> None:
    limit = _LIMITS[kind]
    if size > limit:
        what = "make it smaller" if kind == "image" else "attach a part of it"
        raise ProtocolError(
            "too_large", f"{kind} {name} is {_size(size)} large, and {_size(limit)} is the limit for {kind}s: {what}"
        )


def _size(size: int) -> str:
    """Format a size in MiB, rounded up, so that a size above a limit never looks equal to it."""
    return f"{math.ceil(size / 1024**2 * 10) / 10:g} MiB"


def image_type(data: bytes) -> str | None:
    """Detect the MIME type of a picture, one of `IMAGE_TYPES`; None if it is none of them."""
    return next((mime for mime, signature in _SIGNATURES if signature.match(data)), None)


# `data:` addresses


def _content(kind: PartKind, address: str, name: str | None) -> Content:
    try:
        return content_of(address)
    except ValueError as error:
        raise ProtocolError(
            "bad_attachment", f"{kind} {clean_name(name or '') or '(without a name)'}: {error}"
        ) from None


def content_of(address: str) -> Content:
    """Decode a `data:` address.

    Raises:
        ValueError: The text is not a valid `data:` address.
    """
    head, comma, body = address.partition(",")
    if not _is_address(head) or not comma or len(head) > 2 * _MAX_NAME:
        raise ValueError("it must be a `data:` address, such as `data:image/png;base64,…`")
    mime, *options = (option.strip().lower() for option in head[5:].split(";"))
    if mime and not _MIME.fullmatch(mime):
        raise ValueError("the type in its `data:` address is not a MIME type")
    data = unquote_to_bytes(body) if "%" in body or "base64" not in options else body
    if "base64" in options:
        try:
            data = base64.b64decode(data, validate=True)
        except ValueError:  # some programs insert line breaks in base64
            data = _decode_with_whitespace(data)
    return Content(mime or "text/plain", cast("bytes", data))


def _decode_with_whitespace(body: str | bytes) -> bytes:
    text = body if isinstance(body, bytes) else body.encode()
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        raise ValueError("the content of its `data:` address is not valid base64") from None


# From the log to agents, and to people


def from_logged(parts: Iterable[LoggedPart], blob: Callable[[str], Any]) -> list[Part]:
    """Convert logged parts back to their form on the wire.

    Args:
        parts: The parts.
        blob: Returns the content with this SHA-256, or raises `KeyError`. An attachment without content becomes a text
            with its name.
    """
    return [_from_logged_part(part, blob) for part in parts]


def _from_logged_part(part: LoggedPart, blob: Callable[[str], Any]) -> Part:
    if "text" in part:
        return part
    attachment = part["image"] if "image" in part else part["file"]
    try:
        content = blob(attachment["blob"])
    except KeyError:
        content = None
    if not isinstance(content, str):
        return {"text": part_as_text(part)}
    address = f"data:{attachment['mime']};base64,{content}"
    kind: PartKind = "image" if "image" in part else "file"
    name = clean_name(attachment["name"]) or kind  # an exported session may have been edited
    return {"image": address, "name": name} if kind == "image" else {"file": address, "name": name}


def text_of(parts: Iterable[_AnyPart]) -> str:
    """Return the text of the parts, without attachments."""
    texts = (part["text"] for part in parts if "text" in part)
    return "\n\n".join(text for text in texts if text.strip())


def names_of(parts: Iterable[_AnyPart]) -> list[str]:
    """Return the names of the attachments in the parts."""
    return [_name(part) for part in parts if "text" not in part]


def as_text(parts: Iterable[_AnyPart]) -> str:
    """Return the parts as one text: their text, followed by the names of the attachments."""
    parts = list(parts)
    attached = (part_as_text(part) for part in parts if "text" not in part)
    return "\n\n".join(text for text in (text_of(parts), "\n".join(attached)) if text)


def message_as_text(message: Mapping[str, Any]) -> str:
    """Return the `user_message` of a transcript as a text that names its attachments."""
    return as_text(message["parts"]) if "parts" in message else str(message["content"])


def attachments_of(message: Mapping[str, Any]) -> list[Attachment]:
    """Return the attachments of the `user_message` of a transcript."""
    parts: list[LoggedPart] = message.get("parts", [])
    return [part["image"] if "image" in part else part["file"] for part in parts if "text" not in part]


def sent_text(message: Mapping[str, Any]) -> str:
    """Return the text that the person wrote, without the names that replace a missing text."""
    return text_of(message["parts"]) if "parts" in message else str(message["content"])


def part_as_text(part: _AnyPart) -> str:
    """Return a part as a text. For an attachment, this is its kind and its name."""
    if "text" in part:
        return part["text"]
    return f"[{'image' if 'image' in part else 'file'}: {_name(part)}]"


def _name(part: _AnyPart) -> str:
    fields = cast("Mapping[str, Any]", part)
    value = fields.get("image", fields.get("file"))
    return str(value["name"] if isinstance(value, Mapping) else fields.get("name", "image"))


def _is_attached(part: _AnyPart) -> bool:
    return "text" not in part
