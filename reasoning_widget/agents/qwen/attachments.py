"""Convert prompts with images and files for Qwen-Agent, whose agents and tools read files by path."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from ...parts import clean_name, content_of
from ...protocol import FilePart, Part
from ..exceptions import AgentError
from ..local.paths import cache_folder

_MAX_AGE: Final = 7 * 24 * 3600.0
"""Seconds since a run last used an attachment, after which it is deleted when another one is written. If its
conversation continues, it is written again."""
_MAX_TEXT: Final = 32_000
"""How much of a file's text an agent without tools for files gets, in code points."""
_FORBIDDEN: Final = re.compile(r'[<>:"|?*#%\x00-\x1f]')
"""Characters that some systems do not allow in file names, or that Qwen-Agent takes for a part of an address."""
_MAX_NAME_BYTES: Final = 240


def content_for(agent: Any, prompt: str | list[Part]) -> str | list[Any]:
    """Return the content of the message that passes a prompt to `agent`.

    Args:
        agent: The `qwen_agent.Agent`. If it has a true `is_told_files`, it gets the text of files, not their paths.
        prompt: The prompt.

    Raises:
        AgentError: An attachment could not be written for the agent; the text says why.
    """
    if isinstance(prompt, str):
        return prompt
    from qwen_agent.llm.schema import ContentItem

    is_inline = _takes_inline_images(agent)
    items: list[Any] = []
    for part in prompt:
        if "text" in part:
            items.append(ContentItem(text=part["text"]))
        elif "image" in part:
            image = part["image"] if is_inline else _path(part["image"], part.get("name", "image"))
            items.append(ContentItem(image=image))
        elif getattr(agent, "is_told_files", False):
            items.append(ContentItem(text=_file_as_text(part)))
        else:
            items.append(ContentItem(file=_path(part["file"], part["name"])))
    return items


def _file_as_text(part: FilePart) -> str:
    """Return a file as text, for an agent that cannot read files."""
    text = _text_of(content_of(part["file"]).data)
    if text is None:
        return f"\n\n[file: {part['name']}. It is not a text file, so you cannot read it.]"
    more = len(text) - _MAX_TEXT
    rest = f"\n[{more:,} more characters are omitted.]" if more > 0 else ""
    return f"\n\nThe file {part['name']}:\n\n{text[:_MAX_TEXT]}{rest}"


def _text_of(data: bytes) -> str | None:
    """Return the text of a UTF-8 file, or None if it is not one."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _takes_inline_images(agent: Any) -> bool:
    """Return whether images only reach models that accept images, and can be passed on unchanged.

    Tools, and other models, get the path of an image.
    """
    agents = list(_agents_in(agent, set()))
    models = [model for each in agents if (model := getattr(each, "llm", None)) is not None]
    accept_images = bool(models) and all(getattr(model, "support_multimodal_input", False) for model in models)
    return accept_images and not any(getattr(each, "function_map", None) for each in agents)


def _agents_in(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the agents in `value` and in their attributes, except those that only search files."""
    from qwen_agent import Agent
    from qwen_agent.memory import Memory

    if id(value) in seen:
        return
    seen.add(id(value))
    inside: Iterable[Any] = ()
    if isinstance(value, Agent) and not isinstance(value, Memory):
        yield value
        inside = vars(value).values()
    elif isinstance(value, dict):
        inside = value.values()
    elif isinstance(value, list | tuple | set):
        inside = value
    for each in list(inside):
        yield from _agents_in(each, seen)


def _path(address: str, name: str) -> str:
    """Write an attachment under its name, as far as file systems allow that, and return the path.

    Raises:
        AgentError: It could not be written.
    """
    data = content_of(address).data
    try:
        path = attachments_folder() / hashlib.sha256(data).hexdigest()[:32] / _file_name(name)
        if not _exists(path, len(data)):
            _write(path, data)
        os.utime(path.parent)
    except OSError as error:
        raise AgentError(
            f"The attachment {name} cannot be written for the agent: {error}. Free some space, or set "
            "REASONING_WIDGET_CACHE to a folder that can be written to."
        ) from error
    return str(path)


def attachments_folder() -> Path:
    """Create the folder in which agents read attachments, if it does not exist. Only its user may read it."""
    folder = cache_folder() / "attachments"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _exists(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _write(path: Path, data: bytes) -> None:
    _delete_old(path.parent.parent)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(temporary).replace(path)  # another run may write the same file at the same time


def _delete_old(root: Path) -> None:
    oldest = time.time() - _MAX_AGE
    for folder in root.iterdir():
        with contextlib.suppress(OSError):  # another process may delete it at the same time
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)


def _file_name(name: str) -> str:
    path = Path(_FORBIDDEN.sub("_", clean_name(name)) or "file")
    room = _MAX_NAME_BYTES - len(path.suffix.encode())
    return path.stem.encode()[: max(1, room)].decode(errors="ignore") + path.suffix
