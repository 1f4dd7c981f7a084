import pytest

from reasoning_widget.protocol import ProtocolError, check_session_id, parse_client_message
from reasoning_widget.protocol_schema import json_schema


def test_the_simple_example_of_the_design_is_accepted():
    payload = {"message": "Your question here", "agent_name": "researcher", "enable_reasoning": True}

    assert parse_client_message({"type": "chat", "payload": payload}) == {"type": "chat", "payload": payload}


def chat(message):
    return {"type": "chat", "payload": {"message": message, "agent_name": "a"}}


def test_a_prompt_may_have_parts():
    raw = chat([{"text": "this"}, {"image": "data:image/png;base64,"}, {"file": "data:,", "name": "a.txt"}])

    assert parse_client_message(raw) == raw


def test_unknown_fields_are_kept():
    message = parse_client_message({"type": "stop", "id": "1", "payload": {"why": "enough"}})

    assert message == {"type": "stop", "id": "1", "payload": {"why": "enough"}}


@pytest.mark.parametrize(
    ("raw", "code", "says"),
    [
        ([], "bad_message", "JSON object"),
        ({"payload": {}}, "unknown_type", "known are chat"),
        ({"type": 5, "payload": {}}, "unknown_type", "5"),
        ({"type": "dance", "payload": {}}, "unknown_type", "dance"),
        ({"type": "chat", "payload": {"message": "hi"}}, "bad_message", "agent_name"),
        ({"type": "chat", "payload": {"message": 1, "agent_name": "a"}}, "bad_message", "payload.message"),
        ({"type": "chat", "payload": []}, "bad_message", "object"),
        (
            chat([{"image": "data:,", "file": "data:,"}]),
            "bad_message",
            r"message\[0\].* one of `text`, `image`, `file`",
        ),
        (chat([{"text": "hi"}, {"sound": "data:,"}]), "bad_message", r"message\[1\]"),
        (chat([{"text": 1}]), "bad_message", "Expected `str`"),
        (chat([{"file": "data:,"}]), "bad_message", "`name`"),
        (chat(["hi"]), "bad_message", "object"),
        ({"type": "ping", "id": 7}, "bad_message", "`id`"),
        ({"type": "ping", "id": "x" * 129}, "bad_message", "128"),
    ],
)
def test_an_invalid_message_is_refused_with_the_reason(raw, code, says):
    with pytest.raises(ProtocolError, match=says) as caught:
        parse_client_message(raw)
    assert caught.value.code == code
    assert caught.value.frame()["data"]["code"] == code


@pytest.mark.parametrize("session_id", ["a", "A-z_0", "x" * 128])
def test_well_formed_session_ids_are_accepted(session_id):
    assert check_session_id(session_id) == session_id


@pytest.mark.parametrize("session_id", ["", "../../x", "x" * 129, "a b", "ä", "a\n"])
def test_malformed_session_ids_are_refused(session_id):
    with pytest.raises(ValueError, match="128 characters"):
        check_session_id(session_id)


def test_the_schema_names_every_message():
    definitions = json_schema()["$defs"]

    assert {"ChatPayload", "ReasoningStep", "StepDeltaData", "Batch", "Step"} <= definitions.keys()
    assert {"TextPart", "ImagePart", "FilePart", "AttachedImage", "AttachedFile"} <= definitions.keys()
    assert definitions["ReasoningStep"]["required"] == ["content", "iteration", "timestamp", "type"]
