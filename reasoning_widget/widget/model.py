"""Which model answers, and fetching its weights when the person asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import cast

from ..agents.errors import redact
from ..agents.exceptions import AgentError
from ..agents.models import ModelChoice, choose_model
from ..agents.presets import warm_up
from ..protocol import JSON, Frame

_PROGRESS_STEP = 0.005  # of the whole: 200 messages a download, whatever its size


class ModelStatus:
    """Looks for the model off the loop, and announces what it finds.

    Args:
        llm: The model configuration the person gave, or None.
        announce: Called with the `model` frame each time it has changed; from any thread.
    """

    def __init__(self, llm: JSON | None, announce: Callable[[Frame], None]) -> None:
        self.llm = llm
        self._announce = announce
        self._lock = threading.Lock()
        self._frame: Frame | None = None
        self._pulling = False

    def frame(self) -> Frame | None:
        """The `model` frame as of now; None while it is not known yet."""
        return self._frame

    def look(self) -> None:
        """Find out which model answers. Returns at once: servers on this machine may take a moment to answer."""
        threading.Thread(target=self._look, name="reasoning-model", daemon=True).start()

    def pull(self) -> None:
        """Fetch the weights of the embedded model. Returns at once; harmless while that is under way."""
        with self._lock:
            if self._pulling:
                return
            self._pulling = True
        threading.Thread(target=self._pull, name="reasoning-pull", daemon=True).start()

    def _look(self) -> ModelChoice | None:
        try:
            choice = choose_model(self.llm)
        except AgentError as error:  # a configuration that is no JSON, and such
            self._tell(_failure(str(error)))
            return None
        self._tell(cast("JSON", choice.as_data()))
        warm_up(choice)
        return choice

    def _pull(self) -> None:
        from ..agents.local.weights import pull

        try:
            choice = self._look()
            if choice is None or choice.state == "ready":
                return
            told = -1.0

            def progress(received: int, total: int) -> None:
                nonlocal told
                if received - told >= total * _PROGRESS_STEP:
                    told = received
                    data = {**choice.as_data(), "state": "downloading", "received": received, "total": total}
                    self._tell(data)

            pull(choice.llm["model"], progress)
            self._look()
        except Exception as error:  # noqa: BLE001 (whatever went wrong, the person is told)
            self._tell(_failure(str(error)))
        finally:
            self._pulling = False

    def _tell(self, data: JSON) -> None:
        self._frame = {"type": "model", "data": data}
        self._announce(self._frame)


def _failure(message: str) -> JSON:
    return {
        "name": "",
        "source": "embedded",
        "reason": "There is no model to answer.",
        "local": False,
        "state": "failed",
        "message": redact(message),
    }
