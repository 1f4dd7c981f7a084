"""Messages over pipes, which deliver bytes in pieces of any size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reasoning_widget.agents.base import StepBuffer
from reasoning_widget.session.pipe import MessageReader, StepSender, packed

MESSAGES = st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=30), max_size=3), max_size=5)


@given(MESSAGES, st.lists(st.integers(1, 20)))
def test_messages_come_out_as_they_went_in(messages, sizes):
    stream = b"".join(packed(message) for message in messages)
    reader = MessageReader()
    read = []
    while stream:
        size = sizes.pop() if sizes else len(stream)
        read += reader.feed(stream[:size])
        stream = stream[size:]
    assert read == messages


def test_appended_text_is_sent_once():
    """Four times as many tokens need four times as many bytes, not sixteen times."""

    def sent(tokens):
        buffer, sender = StepBuffer(lambda: None), StepSender()
        buffer.put({"type": "thought", "id": "t", "content": ""})
        size = 0
        for _ in range(tokens):
            buffer.put({"type": "thought", "id": "t", "append": "word "})
            size += sum(len(packed(sender.message(step))) for step in buffer.drain())
        return size

    assert sent(2000) < 4.1 * sent(500)
