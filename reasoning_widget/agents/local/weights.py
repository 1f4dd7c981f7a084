"""Download and verify the weights of the embedded models."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import filelock

from ..errors import redact
from ..exceptions import AgentError
from .model_files import MODELS, ModelFile
from .paths import models_folder
from .sources import Cancelled, Hub, Registry, Source, SourceError

OnProgress = Callable[[int, int], None]
"""Called with the number of downloaded bytes and the total, from any thread."""

SOURCES: Final[tuple[Source, ...]] = (Hub(), Registry())
"""Tried in this order."""


class WeightsError(AgentError):
    """The weights are not available; the text says why and what to do."""


def model(size: str) -> ModelFile:
    """Return the embedded model of this size.

    Raises:
        WeightsError: There is no such model; the text lists the sizes.
    """
    try:
        return MODELS[size.lower()]
    except KeyError:
        raise WeightsError(f"There is no embedded model {size!r}: choose {' or '.join(MODELS)}.") from None


def weights_path(model: ModelFile) -> Path:
    """Return the path of the weights of `model`, which may not exist yet."""
    return models_folder() / model.file


def downloaded_bytes(model: ModelFile) -> int:
    """Return the number of bytes of the weights that are downloaded."""
    for path in (weights_path(model), _partial(model)):
        if path.exists():
            return path.stat().st_size
    return 0


def is_downloaded(model: ModelFile) -> bool:
    """Return whether the file is complete. Its hash is checked after the download, and before it is loaded."""
    path = weights_path(model)
    return path.is_file() and path.stat().st_size == model.bytes


def verified_path(model: ModelFile) -> Path:
    """Verify the hash of the weights, unless the file is unchanged since the last check, and return their path.

    Raises:
        WeightsError: The weights are not downloaded, or the file has another hash. It is not removed.
    """
    path = weights_path(model)
    if not is_downloaded(model):
        raise WeightsError(f"The weights of {model.title} are not downloaded. {HOW_TO_DOWNLOAD}")
    stamp = path.with_suffix(".checked")
    seen = _fingerprint(path)
    if not (stamp.exists() and stamp.read_text(encoding="utf-8") == seen):
        if _sha256(path) != model.sha256:
            raise WeightsError(f"{path} is not {model.title}: its SHA-256 is wrong. Delete it, then download it again.")
        stamp.write_text(seen, encoding="utf-8")
    return path


HOW_TO_DOWNLOAD: Final = "Press “Download model”, or run `reasoning-widget model pull`."


def pull(
    size: str = "0.5b",
    on_progress: OnProgress | None = None,
    *,
    cancel: threading.Event | None = None,
    sources: Sequence[Source] = SOURCES,
) -> Path:
    """Download the weights if needed, and return their path.

    An interrupted download is continued, from any source. The file is moved into place only after its SHA-256 was
    checked. Concurrent calls share one download: the second waits for the first.

    Args:
        size: ``0.5b`` (0.5 GB) or ``1.5b`` (1.1 GB).
        on_progress: Called with the progress.
        cancel: Set it to stop the download. The partial file is kept.
        sources: The sources to try, in this order.

    Raises:
        WeightsError: All sources failed, or the disk is full.
        Cancelled: `cancel` was set.
    """
    wanted = model(size)
    cancel = cancel or threading.Event()

    def progress(bytes_here: int) -> None:
        if on_progress is not None:
            on_progress(bytes_here, wanted.bytes)

    lock = filelock.FileLock(_partial(wanted).with_suffix(".lock"))
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except filelock.Timeout:
            progress(downloaded_bytes(wanted))
            if cancel.is_set():
                raise Cancelled from None
    try:
        if not is_downloaded(wanted):
            _download(wanted, sources, progress, cancel)
    finally:
        lock.release()
    progress(wanted.bytes)
    return weights_path(wanted)


def _download(
    model: ModelFile, sources: Sequence[Source], progress: Callable[[int], None], cancel: threading.Event
) -> None:
    partial = _partial(model)
    _check_space(model)
    progress(downloaded_bytes(model))
    problems = []
    for source in sources:
        try:
            source.fetch(model, partial, progress, cancel)
            _move_into_place(model, partial)
        except SourceError as error:
            problems.append(f"From {source.name}: {redact(str(error))}.")
        except OSError as error:
            raise WeightsError(f"The weights cannot be written to {partial.parent}: {error}.") from error
        else:
            return
    raise WeightsError(
        f"{model.title} could not be downloaded. {' '.join(problems)} "
        "Check the network and try again: the partial download is kept. Or use another model: set `OPENAI_API_KEY` or "
        "`DASHSCOPE_API_KEY`, or start a model server on this machine."
    )


def _move_into_place(model: ModelFile, partial: Path) -> None:
    if _sha256(partial) != model.sha256:
        partial.unlink()  # it is unknown which part is wrong
        raise SourceError("the file had a wrong SHA-256 and was deleted")
    path = weights_path(model)
    partial.replace(path)
    path.with_suffix(".checked").write_text(_fingerprint(path), encoding="utf-8")


def _check_space(model: ModelFile) -> None:
    folder = models_folder()
    needed = model.bytes - downloaded_bytes(model) + model.archives.piece_bytes
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WeightsError(
            f"{model.title} needs {needed / 1e9:.1f} GB in {folder}, where {free / 1e9:.1f} GB are free. Make room, or "
            "set `REASONING_WIDGET_CACHE` to a folder with more space."
        )


def _partial(model: ModelFile) -> Path:
    return models_folder() / f"{model.file}.partial"


def _fingerprint(path: Path) -> str:
    status = path.stat()
    return json.dumps({"bytes": status.st_size, "modified_ns": status.st_mtime_ns})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
