"""The folders for the weights and the state of the local model's server, in the user's cache."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Return the private cache folder, and create it if needed. ``REASONING_WIDGET_CACHE`` overrides it."""
    named = os.environ.get("REASONING_WIDGET_CACHE")
    folder = Path(named).expanduser() if named else platformdirs.user_cache_path("reasoning-widget")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def models_folder() -> Path:
    """Return the folder of the weights, and create it if needed."""
    folder = cache_folder() / "models"
    folder.mkdir(exist_ok=True)
    return folder


def server_state(name: str) -> Path:
    """Return the state file of the model's server on this machine: machines may share a home folder."""
    folder = cache_folder() / "servers"
    folder.mkdir(mode=0o700, exist_ok=True)
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", platform.node())
    return folder / f"{name}-{host}.json"
