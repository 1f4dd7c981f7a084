"""The `model` frames: which model answers, and the download of its weights."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import cast

from ..agents.errors import redact
from ..agents.exceptions import AgentError
from ..agents.models import ModelChoice, choose_model
from ..agents.presets import warm_up
from ..protocol import JSON, Frame

_PROGRESS_STEP = 0.005  # of the total size, which limits a download to 200 messages


class ModelStatus:
    """Finds the model in a thread, and announces it.

    Args:
        llm: The person's model configuration, or None.
        announce: Called with the `model` frame whenever it has changed, on any thread.
    """

    def __init__(self, llm: JSON | None, announce: Callable[[Frame], None]) -> None:
        self.llm = llm
        self._announce = announce
        self._lock = threading.Lock()
        self._frame: Frame | None = None
        self._pulling = False

    def frame(self) -> Frame | None:
        """Return the current `model` frame; None until the model is known."""
        return self._frame

    def find(self) -> None:
        """Start to find out which model answers. This does not block, although local model servers may be slow."""
        threading.Thread(target=self._find, name="reasoning-model", daemon=True).start()

    def pull(self) -> None:
        """Start to download the weights of the embedded model, unless that is in progress. This does not block."""
        with self._lock:
            if self._pulling:
                return
            self._pulling = True
        threading.Thread(target=self._pull, name="reasoning-pull", daemon=True).start()

    def _find(self) -> ModelChoice | None:
        try:
            choice = choose_model(self.llm)
        except AgentError as error:  # such as an invalid configuration
            self._publish(_failure(str(error)))
            return None
        self._publish(cast("JSON", choice.as_data()))
        warm_up(choice)
        return choice

    def _pull(self) -> None:
        from ..agents.local.weights import pull

        try:
            choice = self._find()
            if choice is None or choice.state == "ready":
                return
            reported = -1.0

            def progress(received: int, total: int) -> None:
                nonlocal reported
                if received - reported >= total * _PROGRESS_STEP:
                    reported = received
                    data = {**choice.as_data(), "state": "downloading", "received": received, "total": total}
                    self._publish(data)

            pull(choice.llm["model"], progress)
            self._find()
        except Exception as error:  # noqa: BLE001 (any failure of the thread is shown to the person)
            self._publish(_failure(str(error)))
        finally:
            self._pulling = False

    def _publish(self, data: JSON) -> None:
        self._frame = {"type": "model", "data": data}
        self._announce(self._frame)


def _failure(message: str) -> JSON:
    return {
        "name": "",
        "source": "embedded",
        "reason": "No model is available.",
        "local": False,
        "state": "failed",
        "message": redact(message),
    }
