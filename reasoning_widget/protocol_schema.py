"""Generate the JSON Schema of the protocol from the types in `protocol`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from .protocol import (
    CLIENT_MESSAGES,
    IMAGE_TYPES,
    JSON,
    MAX_ATTACHMENTS,
    MAX_CHAT_BYTES,
    MAX_CLIENT_FRAME_BYTES,
    MAX_FILE_BYTES,
    MAX_IMAGE_BYTES,
    MAX_MESSAGE_BYTES,
    SERVER_MESSAGES,
    AttachedFile,
    AttachedImage,
    Batch,
    ClientMessage,
    FilePart,
    Frame,
    ImagePart,
    MessageType,
    Step,
    StepAppend,
    TextPart,
)


def json_schema() -> JSON:
    """Return the JSON Schema of the messages: their types in ``$defs``, the tables, and the limits for clients."""
    parts = [TextPart, ImagePart, FilePart, AttachedImage, AttachedFile]
    messages = [each.content for each in (*CLIENT_MESSAGES.values(), *SERVER_MESSAGES.values())]
    types = [*messages, *parts, ClientMessage, Frame, Batch, Step, StepAppend]
    unique = list({t.__name__: t for t in types}.values())
    _, definitions = msgspec.json.schema_components(unique, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ReasoningWidgetProtocol",
        "$defs": definitions,
        "clientMessages": _in_schema(CLIENT_MESSAGES),
        "serverMessages": _in_schema(SERVER_MESSAGES),
        "limits": {
            "MAX_MESSAGE_BYTES": MAX_MESSAGE_BYTES,
            "MAX_CLIENT_FRAME_BYTES": MAX_CLIENT_FRAME_BYTES,
            "MAX_CHAT_BYTES": MAX_CHAT_BYTES,
            "MAX_ATTACHMENTS": MAX_ATTACHMENTS,
            "MAX_IMAGE_BYTES": MAX_IMAGE_BYTES,
            "MAX_FILE_BYTES": MAX_FILE_BYTES,
            "IMAGE_TYPES": IMAGE_TYPES,
        },
    }


def _in_schema(table: Mapping[str, MessageType]) -> JSON:
    return {
        name: {
            "content": each.content.__name__,
            "transports": sorted(each.transports),
            "isEvent": each.is_event,
        }
        for name, each in table.items()
    }
