"""Where the weights and the state of the local model's server are kept: the user's cache."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The folder, made if need be; only its user may look into it. ``REASONING_WIDGET_CACHE`` names another."""
    named = os.environ.get("REASONING_WIDGET_CACHE")
    folder = Path(named).expanduser() if named else platformdirs.user_cache_path("reasoning-widget")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def models_folder() -> Path:
    """The folder of the weights, made if need be."""
    folder = cache_folder() / "models"
    folder.mkdir(exist_ok=True)
    return folder


def server_state(name: str) -> Path:
    """The file in which the server of the model `name` says how to reach it. Homes may be shared between machines."""
    folder = cache_folder() / "servers"
    folder.mkdir(mode=0o700, exist_ok=True)
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", platform.node())
    return folder / f"{name}-{host}.json"
