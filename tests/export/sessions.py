"""Sessions to export, made without an agent."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

from PIL import Image

from reasoning_widget.export.log import SessionFile, newest_events, session_file
from reasoning_widget.fold import Transcript, new_transcript, receive
from reasoning_widget.protocol import Frame
from tests.session.manual import ask, open_session

KEY = "sk-" + "a1b2c3d4" * 5


def png(width: int, height: int) -> str:
    """Return a picture as base64."""
    written = io.BytesIO()
    Image.radial_gradient("L").resize((width, height)).save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


def photograph(width: int, height: int, *, transparent: bool = False) -> str:
    """Return a PNG that compresses as badly as possible, as base64."""
    bands = [Image.effect_noise((width, height), 80) for _ in "RGB"]
    if transparent:
        bands.append(Image.radial_gradient("L").resize((width, height)))
    written = io.BytesIO()
    Image.merge("RGBA" if transparent else "RGB", bands).save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


def broken_png(side: int = 900) -> str:
    """Return a picture that is broken after its first part, as base64."""
    data = base64.b64decode(png(side, side))
    begin = data.index(b"IDAT") - 4
    first = data[begin + 8 : begin + 1032]
    kept = struct.pack(">I", len(first)) + b"IDAT" + first + struct.pack(">I", zlib.crc32(b"IDAT" + first))
    return base64.b64encode(data[:begin] + kept + b"\0\0\0\4bad!" + data[begin + 1032 :]).decode()


def played(*steps: dict[str, Any], question: str = "What is it?") -> SessionFile:
    """Return the file of a session with one run that took these steps. Needs a running loop."""
    session, runner = open_session()
    ask(session, question, "m1")
    for step in steps:
        runner.run.emit(step)  # type: ignore[arg-type]
    runner.run.end()
    return session_file("demo", session.epoch, newest_events(session.state, session.events_after(0)))


def fold(events: list[Frame], session_id: str = "demo", epoch: str = "") -> Transcript:
    """Return the transcript of these events."""
    state = new_transcript()
    state["session_id"], state["epoch"] = session_id, epoch
    for event in events:
        receive(state, event)
    return state


def hand_made(*steps: dict[str, Any], question: str = "What is it?", title: str = "A title") -> Transcript:
    """Return the transcript of a run with these steps, whatever their content."""
    run = {"run_id": "r", "message_id": "m", "agent_name": "a", "enable_reasoning": True, "timestamp": 1.0}
    common = {"run_id": "r", "iteration": 1, "timestamp": 1.0, "status": "done"}
    events: list[tuple[str, dict[str, Any]]] = [
        ("session_info", {"title": title}),
        ("user_message", {"id": "m", "content": question, "timestamp": 1.0, "follows": None}),
        ("run_started", run),
        *(("reasoning_step", {**common, "id": f"s{number}", **step}) for number, step in enumerate(steps)),
        ("run_finished", {"run_id": "r", "status": "completed", "usage": {}, "duration": 1.0}),
    ]
    return fold([{"type": kind, "seq": seq, "data": data} for seq, (kind, data) in enumerate(events, 1)])
