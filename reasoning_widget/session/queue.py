"""The waiting prompts of a session."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator


class PromptQueue:
    """Ids of prompts that wait for their own run, and of prompts that wait for the active run to take them.

    The latter steer the run, which takes them from its own thread before its next model call. All methods except
    `take_steering` must be called on the session's loop.
    """

    def __init__(self) -> None:
        self._queued: deque[str] = deque()
        self._steering: list[str] = []
        self._steering_lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._queued) + len(self._steering)

    def __iter__(self) -> Iterator[str]:
        yield from self._queued
        yield from self._steering

    @property
    def has_next(self) -> bool:
        """Whether a prompt waits for its own run."""
        return bool(self._queued)

    def add(self, message_id: str) -> None:
        """Add a prompt that waits for its own run."""
        self._queued.append(message_id)

    def add_steering(self, message_id: str) -> None:
        """Add a prompt that waits for the next model call of the active run."""
        with self._steering_lock:
            self._steering.append(message_id)

    def next(self) -> str:
        """Remove and return the prompt whose run is next.

        Raises:
            IndexError: No prompt waits for its own run.
        """
        return self._queued.popleft()

    def remove(self, message_id: str) -> bool:
        """Remove a prompt; return False if it is not waiting (any more)."""
        with self._steering_lock:
            if message_id in self._steering:
                self._steering.remove(message_id)
                return True
        if message_id in self._queued:
            self._queued.remove(message_id)
            return True
        return False

    def remove_all(self) -> list[str]:
        """Remove and return all prompts, in the order in which they would have run."""
        self.requeue_steering()
        removed = list(self._queued)
        self._queued.clear()
        return removed

    def take_steering(self) -> list[str]:
        """Remove and return the prompts that steer the active run. May be called in any thread."""
        with self._steering_lock:
            taken, self._steering = self._steering, []
        return taken

    def requeue_steering(self) -> None:
        """Let the steering prompts that no model call took wait for their own runs."""
        self._queued.extend(self.take_steering())
