"""What Qwen-Agent is given of a prompt with images and files: paths, which is what its agents and tools work with."""

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

_KEPT: Final = 7 * 24 * 3600.0
"""Seconds; what no run was given for so long is deleted when something else is written. A conversation that goes on
after that has it written again."""
_MAX_TOLD: Final = 32_000  # code points
_NO_NAME: Final = re.compile(r'[<>:"|?*#%\x00-\x1f]')
"""What some systems do not allow in a file's name, and what Qwen-Agent takes for a part of an address."""
_MAX_NAME_BYTES: Final = 240


def content_for(agent: Any, prompt: str | list[Part]) -> str | list[Any]:
    """The content of the message that asks `agent`.

    Args:
        agent: The `qwen_agent.Agent`. One with `is_told_files` is told the text of files, instead of their paths.
        prompt: What it is asked.

    Raises:
        AgentError: An attachment cannot be written to where the agent reads it; the text says why.
    """
    if isinstance(prompt, str):
        return prompt
    from qwen_agent.llm.schema import ContentItem

    as_it_is = _only_looks(agent)
    items: list[Any] = []
    for part in prompt:
        if "text" in part:
            items.append(ContentItem(text=part["text"]))
        elif "image" in part:
            image = part["image"] if as_it_is else _path(part["image"], part.get("name", "image"))
            items.append(ContentItem(image=image))
        elif getattr(agent, "is_told_files", False):
            items.append(ContentItem(text=_told(part)))
        else:
            items.append(ContentItem(file=_path(part["file"], part["name"])))
    return items


def _told(part: FilePart) -> str:
    """A file for an agent that has nothing to read files with: its text."""
    text = _text_of(content_of(part["file"]).data)
    if text is None:
        return f"\n\n[file: {part['name']}. It is no text, and you cannot read it.]"
    more = len(text) - _MAX_TOLD
    rest = f"\n[{more:,} more characters are left out.]" if more > 0 else ""
    return f"\n\nThe file {part['name']}:\n\n{text[:_MAX_TOLD]}{rest}"


def _text_of(data: bytes) -> str | None:
    """The text in a file of UTF-8; None if it is none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _only_looks(agent: Any) -> bool:
    """Whether images only go to models that see them, which then get them unchanged.

    Tools, and models that see nothing, are told an image by the name of its file.
    """
    agents = list(_all_in(agent, set()))
    models = [model for each in agents if (model := getattr(each, "llm", None)) is not None]
    sees = bool(models) and all(getattr(model, "support_multimodal_input", False) for model in models)
    return sees and not any(getattr(each, "function_map", None) for each in agents)


def _all_in(value: Any, seen: set[int]) -> Iterator[Any]:
    """The agents in `value` and those that they are made of; without those that only look things up in files."""
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
        yield from _all_in(each, seen)


def _path(address: str, name: str) -> str:
    """The path of a file with that content and, as far as file systems allow, that name."""
    data = content_of(address).data
    try:
        path = attachments_folder() / hashlib.sha256(data).hexdigest()[:32] / _file_name(name)
        if not _is_there(path, len(data)):
            _write(path, data)
        os.utime(path.parent)
    except OSError as error:
        raise AgentError(
            f"The attachment {name} cannot be written to where the agent reads it: {error}. Free some space, or let "
            "REASONING_WIDGET_CACHE name a folder that can be written."
        ) from error
    return str(path)


def attachments_folder() -> Path:
    """Where attachments are written for agents that read files; made if need be. Only its user may look into it."""
    folder = cache_folder() / "attachments"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _write(path: Path, data: bytes) -> None:
    _delete_old(path.parent.parent)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    handle, made = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(made).replace(path)  # another run may write the same at the same time


def _delete_old(root: Path) -> None:
    oldest = time.time() - _KEPT
    for folder in root.iterdir():
        with contextlib.suppress(OSError):  # another process may do the same
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)


def _file_name(name: str) -> str:
    stem, ending = os.path.splitext(_NO_NAME.sub("_", clean_name(name)) or "file")  # noqa: PTH122 (it is no path yet)
    room = _MAX_NAME_BYTES - len(ending.encode())
    return stem.encode()[: max(1, room)].decode(errors="ignore") + ending
