"""Every message on the wire, version 2.

These types are the only definition of the protocol: incoming messages are validated against them with `msgspec`,
`protocol_schema` generates the JSON Schema from them, and the TypeScript types in ``js/src/protocol/`` are generated
from that schema. Messages are plain dictionaries on both sides. Unknown fields are kept, and messages of unknown types
are folded generically.

Client to server: ``{"type", "id"?, "payload"}``. Server to client: ``{"type", "seq"?, "data"}``. A message with a
``seq`` is an *event*: it is stored in the session's log permanently.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, NamedTuple, NotRequired, TypedDict, final

import msgspec

from .depth import MAX_DEPTH, is_deep

PROTOCOL_VERSION: Final = 2
"""In version 1, steps had one MIME bundle, `output`, instead of `outputs`. The module `outputs` still reads it."""

MAX_FRAME_BYTES: Final = 512 * 1024
"""The longest frame from a server, in bytes of UTF-8 JSON. Many WebSocket clients reject frames of 1 MiB."""

MAX_MESSAGE_BYTES: Final = 256 * 1024
"""The longest text of a prompt, in bytes of UTF-8."""

MAX_CLIENT_FRAME_BYTES: Final = 1024 * 1024
"""The longest message from a client, in bytes of UTF-8 JSON; `MAX_CHAT_BYTES` for prompts with attachments."""

MAX_CHAT_BYTES: Final = 12 * 1024 * 1024
"""The longest `chat` message with attachments, in bytes of UTF-8 JSON. Base64 makes attachments a third longer."""

MAX_QUEUED: Final = 256
"""The most messages of a session that may be queued at once."""

MAX_ATTACHMENTS: Final = 10
"""The most images and files in a prompt."""

MAX_IMAGE_BYTES: Final = 5 * 1024 * 1024
"""The largest image in a prompt, in bytes of the decoded file."""

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""The largest file in a prompt, in bytes."""

IMAGE_TYPES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""The MIME types of the images that a prompt may have."""

MAX_INLINE_MIME_BYTES: Final = 64 * 1024
"""The longest MIME value within a step, in bytes. Longer values are stored once, by their SHA-256, beside the log."""

MAX_OUTPUTS: Final = 100
"""The most outputs of a step. If there are more, those in the middle are left out."""

StepType = Literal["thought", "tool_use", "tool_result", "final_answer", "error"]
StepStatus = Literal["streaming", "done", "failed", "stopped"]
RunStatus = Literal["completed", "stopped", "failed", "interrupted", "max_iterations"]
WithdrawalReason = Literal["withdrawn", "stopped", "interrupted"]
Channel = Literal["content", "arguments", "output"]
ModuleName = Literal["math", "highlight"]

STEP_TYPES: Final[tuple[StepType, ...]] = ("thought", "tool_use", "tool_result", "final_answer", "error")
"""The types of steps with a meaning of their own. Agents may also yield steps of other types."""

PLAIN_STEP_TYPES: Final[tuple[StepType, ...]] = ("final_answer", "error")
"""The types of the steps that are shown of a run without reasoning."""

TERMINAL_STEP_STATUSES: Final[frozenset[str]] = frozenset({"done", "failed", "stopped"})

JSON = dict[str, Any]
"""A JSON object, as `json.loads` returns it."""

MimeBundle = dict[str, Any]
"""One output as in Jupyter: its representations by their MIME types."""


# Steps ------------------------------------------------------------------------------------------------------------


class ToolCall(TypedDict):
    """A tool call, as written by the model."""

    name: str
    arguments: NotRequired[str]
    """The arguments as text: usually JSON, but exactly what the model wrote."""
    call_id: NotRequired[str]
    """Links a `tool_result` to its `tool_use`."""


class Usage(TypedDict, total=False):
    """The tokens that were used, as counted by the model's server."""

    input_tokens: int
    output_tokens: int


class Raised(TypedDict):
    """Where an exception that ended a run was raised."""

    where: str
    """The file, or the cell of the notebook, and the line number. A line of the agent's own code, if there is one in
    the traceback."""
    traceback: str
    """Python's traceback."""


class _StepCommon(TypedDict):
    type: str
    """One of `STEP_TYPES`, or another type, which is shown as a step with that name and its content."""
    content: str
    """The text of a thought, an answer or an error; the text that a tool returned; or a tool call as text."""
    id: NotRequired[str]
    run_id: NotRequired[str]
    status: NotRequired[StepStatus]
    agent: NotRequired[str]
    """The name of the agent that took the step."""
    parent_id: NotRequired[str]
    """The id of the step within which a nested agent took this one."""
    tool: NotRequired[ToolCall]
    outputs: NotRequired[list[MimeBundle]]
    """What a tool printed and displayed, in order. Printed text is a bundle of `text/plain` only."""
    output: NotRequired[MimeBundle]
    """In version 1: all outputs in one bundle. It is converted to `outputs`, and never in a transcript."""
    duration: NotRequired[float]
    """Seconds from the step's start to its end."""
    usage: NotRequired[Usage]
    cut: NotRequired[dict[str, int]]
    """By channel: how many code points were left out because its text was too long."""
    raised: NotRequired[Raised]
    """Where the exception was raised, if the error is an exception of the agent."""
    scaled: NotRequired[dict[str, list[int]]]
    """The original width and height, in pixels, of pictures that were made smaller to be saved; by their index in
    `outputs`, from 0 (in version 1 by their MIME type)."""


@final  # so that type checkers narrow `AgentStep` by `in`
class Step(_StepCommon):
    """A step as an agent yields it: `type` and `content` are enough, the session adds the rest.

    A step with an `id` may be yielded again with the same `id` whenever it has grown. A step without one is complete.
    """

    iteration: NotRequired[int]
    timestamp: NotRequired[float]


@final  # so that type checkers narrow `AgentStep` by `in`
class StepAppend(TypedDict):
    """Text that an agent appends to a step, instead of yielding the step again with its whole text."""

    type: str
    """The type of the step."""
    id: str
    """The id of a step that was yielded before and is not closed."""
    append: str
    """The new text."""
    channel: NotRequired[Channel]
    """The text that grows; `content` if absent. `output` appends to what a tool printed."""
    status: NotRequired[StepStatus]
    agent: NotRequired[str]
    iteration: NotRequired[int]
    timestamp: NotRequired[float]
    duration: NotRequired[float]
    usage: NotRequired[Usage]
    raised: NotRequired[Raised]


AgentStep = Step | StepAppend
"""What an agent may yield."""


class ReasoningStep(_StepCommon):
    """A step on the wire. Only `type`, `content`, `iteration` and `timestamp` are required."""

    iteration: int
    """The number of the model call, from 1, that the step belongs to."""
    timestamp: float
    """When the step opened, in seconds since the epoch."""
    index: NotRequired[int]
    """The position of the step in its run, from 0. A step that opened earlier may be logged later."""


class AgentInfo(TypedDict):
    """An agent that can be asked."""

    name: str
    description: str


# The parts of a prompt --------------------------------------------------------------------------------------------


@final  # so that type checkers narrow unions by `in`
class TextPart(TypedDict):
    """Text in a prompt."""

    text: str


@final  # so that type checkers narrow unions by `in`
class ImagePart(TypedDict):
    """An image in a prompt."""

    image: str
    """A `data:` address of one of `IMAGE_TYPES`, such as ``data:image/png;base64,…``."""
    name: NotRequired[str]
    """The name of the file."""


@final  # so that type checkers narrow unions by `in`
class FilePart(TypedDict):
    """A file in a prompt."""

    file: str
    """A `data:` address, such as ``data:application/pdf;base64,…``."""
    name: str
    """The name of the file, without a folder."""


Part = TextPart | ImagePart | FilePart
"""A part of a prompt, as it is sent to the server."""


class Attachment(TypedDict):
    """An image or a file of a prompt, stored beside the log."""

    blob: str
    """The SHA-256 of its content. The message `blob` requests the content, which is a base64 text."""
    mime: str
    """The MIME type."""
    bytes: int
    """The size of the decoded content."""
    name: str
    """The name of the file."""


@final  # so that type checkers narrow unions by `in`
class AttachedImage(TypedDict):
    """An image in a prompt, as it is logged."""

    image: Attachment


@final  # so that type checkers narrow unions by `in`
class AttachedFile(TypedDict):
    """A file in a prompt, as it is logged."""

    file: Attachment


LoggedPart = TextPart | AttachedImage | AttachedFile
"""A part of a prompt, as it is logged."""


PartKind = Literal["text", "image", "file"]

PART_TYPES: Final[dict[PartKind, Any]] = {"text": TextPart, "image": ImagePart, "file": FilePart}
"""The types of `Part`, by the field that distinguishes them."""

LOGGED_PART_TYPES: Final[dict[PartKind, Any]] = {"text": TextPart, "image": AttachedImage, "file": AttachedFile}
"""The types of `LoggedPart`, by the field that distinguishes them."""


def part_kind(part: object, types: dict[PartKind, Any]) -> PartKind:
    """Validate a part, and return its kind.

    Args:
        part: A decoded JSON value.
        types: `PART_TYPES` or `LOGGED_PART_TYPES`.

    Raises:
        ProtocolError: The value is not one of these types. The message says why.
    """
    kinds = [kind for kind in types if kind in part] if isinstance(part, dict) else []
    if len(kinds) != 1:
        raise ProtocolError("bad_message", f"a part must be an object with one of {', '.join(map(_quoted, types))}")
    try:
        msgspec.convert(part, types[kinds[0]])
    except msgspec.ValidationError as error:
        raise ProtocolError(
            "bad_message", f"a part with `{kinds[0]}`: {error}".replace(" - at `$.", " - at `")
        ) from None
    return kinds[0]


def _quoted(name: str) -> str:
    return f"`{name}`"


def _any_of(*types: type) -> msgspec.Meta:
    """Describe a union of objects that differ in their fields, which msgspec does not support."""
    return msgspec.Meta(extra_json_schema={"anyOf": [{"$ref": f"#/$defs/{each.__name__}"} for each in types]})


_AnyPart = Annotated[Any, _any_of(TextPart, ImagePart, FilePart)]
_AnyLoggedPart = Annotated[Any, _any_of(TextPart, AttachedImage, AttachedFile)]


# Client to server -------------------------------------------------------------------------------------------------


class ChatPayload(TypedDict):
    """Send a prompt. It is queued while a run is active."""

    message: str | list[_AnyPart]
    """A text, or a list of parts with at most `MAX_ATTACHMENTS` images and files."""
    agent_name: str
    enable_reasoning: NotRequired[bool]
    max_iterations: NotRequired[int]
    follows: NotRequired[str]
    """The id of the message or step that this one follows; the newest if absent."""
    steer: NotRequired[bool]
    """Pass the message to the active run, before its next model call, instead of queueing it."""


class WithdrawPayload(TypedDict):
    """Withdraw a queued message."""

    message_id: str


class StopPayload(TypedDict):
    """Stop the run with this id, or the active run if there is none."""

    run_id: NotRequired[str]


class AnswerPayload(TypedDict):
    """Reply to a request: to an approval with a boolean, to a question with a text. The first reply counts."""

    request_id: str
    value: Any


class ClearPayload(TypedDict):
    """Stop the run, delete the log and start a new epoch. Ignored unless `epoch` is the current one."""

    epoch: str


class AttachPayload(TypedDict):
    """Request everything after the event `after` of the log `epoch`."""

    epoch: str | None
    after: int
    modules: NotRequired[list[str]]
    """On a comm: the optional modules that the page has already loaded."""
    page: NotRequired[str]
    """On a comm, if pages share the notebook: the id of this page's connection to the kernel."""


class BlobPayload(TypedDict):
    """Request the MIME value with this SHA-256."""

    blob: str


class SavePayload(TypedDict):
    """Request the snapshot of the session that the notebook should save.

    The reply is `saved`. There is none if pages share the notebook and another page writes the output.
    """

    message_id: str | None
    """The message whose snapshot is requested; None for the whole session."""
    page: NotRequired[str]
    """The page that sends the request, as in `attach`."""
    ran_by: NotRequired[str]
    """The page that ran the cell of the output, according to the saved session."""


class LeavePayload(TypedDict):
    """The page closes, and no longer writes outputs."""

    page: str


class TicketPayload(TypedDict):
    """Request a ticket for the session on the server."""

    fresh: bool
    """Whether the server has rejected the last ticket."""


class ModulePayload(TypedDict):
    """Request an optional JavaScript module."""

    name: ModuleName


class PullModelPayload(TypedDict):
    """Download the weights of the model."""


class PingPayload(TypedDict):
    """Request a `pong`."""


class ClientMessage(TypedDict):
    """A validated message from a client."""

    type: str
    id: NotRequired[str]
    payload: JSON


# Server to client -------------------------------------------------------------------------------------------------


class SessionInfoData(TypedDict):
    """The session has a new title."""

    title: str


class Author(TypedDict):
    """The author of a message, on a server that distinguishes people."""

    id: str
    """The user's name on the server, or ``ticket:<its id>`` for a program with a ticket."""
    name: str
    """The display name."""
    initials: str
    granted_by: NotRequired[str]
    """For a ticket: the name on the server of the user who granted it."""


class UserMessageData(TypedDict):
    """A prompt was accepted."""

    id: str
    content: str
    """The text of the prompt, or the names of its images and files if it has no text."""
    parts: NotRequired[list[_AnyLoggedPart]]
    """Absent if the prompt is only a text."""
    author: NotRequired[Author]
    """Absent if the server does not distinguish people, and in a kernel."""
    timestamp: float
    follows: str | None
    agent_name: NotRequired[str]
    """The agent that is asked. Like the next two fields, absent in logs of earlier versions."""
    enable_reasoning: NotRequired[bool]
    """Whether all steps of the run are shown, or only its outcome."""
    max_iterations: NotRequired[int]
    """The number of model calls that the run may make."""


class MessageWithdrawnData(TypedDict):
    """A queued message will not run."""

    message_id: str
    reason: WithdrawalReason


class MessageSteeredData(TypedDict):
    """A message was passed to the active run, instead of starting a run of its own."""

    message_id: str
    run_id: str


class RunStartedData(TypedDict):
    """An agent started to work on a message."""

    run_id: str
    message_id: str
    agent_name: str
    enable_reasoning: bool
    timestamp: float


class RequestData(TypedDict):
    """The agent asks the person for an approval, or a question."""

    request_id: str
    run_id: str
    step_id: str | None
    kind: Literal["approval", "question"]
    prompt: str
    options: NotRequired[list[str]]
    details: NotRequired[JSON]
    timestamp: float
    expires: float | None


class RequestClosedData(TypedDict):
    """A request was answered, or no longer waits for a reply."""

    request_id: str
    reason: Literal["answered", "expired", "stopped", "interrupted"]
    value: NotRequired[Any]
    by: NotRequired[str]


class RunFinishedData(TypedDict):
    """A run ended."""

    run_id: str
    status: RunStatus
    usage: Usage
    duration: float
    """Seconds."""


class SessionData(TypedDict):
    """The first frame: the current state of the log."""

    session_id: str
    protocol: int
    epoch: str
    last_seq: int
    agents: list[AgentInfo]
    agent_name: NotRequired[str]
    """The agent that is asked by default."""
    run: RunStartedData | None
    """The active run."""
    time: float
    """The server's clock, in seconds since the epoch. Pages set their timers by it."""
    author: NotRequired[Author]
    """The author of messages from this connection. Absent if the server does not distinguish people, or if it was sent
    before."""


class StepDeltaData(TypedDict):
    """Text that was appended to an open step."""

    step_id: str
    base: int
    """The `seq` of the step's last logged snapshot."""
    channel: Channel
    entry: NotRequired[int]
    """For the channel `output`: the index of the output whose `text/plain` grows, from 0; 0 if absent. The index
    right after the last output starts a new one."""
    offset: int
    """The position of the text, in Unicode code points from the start of the channel or the output."""
    text: str


class AckData(TypedDict):
    """The client's message `id` was stored or carried out. Sent for each message with an id that caused no `error`."""

    id: str


class ErrorData(TypedDict):
    """A message could not be accepted. The connection stays open."""

    code: str
    message: str
    id: NotRequired[str]


class PongData(TypedDict):
    """The reply to `ping`. Clients detect lost messages with `last_seq`, and set their timers by `time`."""

    last_seq: int
    time: float


class ModelData(TypedDict):
    """The model that answers, and whether it is available."""

    name: str
    source: str
    """What determined the choice: `llm`, `config`, `environment`, `dashscope`, `openai`, `server` or `embedded`."""
    reason: str
    """The reason for the choice, as a sentence for people."""
    local: bool
    """Whether a small model on this machine answers, of which one should not expect too much."""
    state: Literal["ready", "missing", "downloading", "failed"]
    received: NotRequired[int]
    """How many bytes of the weights have been downloaded."""
    total: NotRequired[int]
    message: NotRequired[str]
    """What went wrong, and how to fix it."""


class ModuleData(TypedDict):
    """The source of an optional JavaScript module that the transcript needs."""

    name: ModuleName
    source: str


class ServerAddressData(TypedDict):
    """The address of the session, for a page that connects to the server itself."""

    url: str
    """The address of the session's WebSocket."""
    source: NotRequired[str]
    """The JavaScript module that connects to it; absent if the page has it."""


class TicketData(TypedDict):
    """A ticket with which a page connects to the session on the server."""

    ticket: str
    expires_in: float | None
    """Seconds until the ticket expires; None if it does not."""


class NoTicketData(TypedDict):
    """No ticket is available."""

    reason: str
    """Why there is none, and what to do."""
    final: bool
    """Whether asking again is useless."""


class BlobPart(TypedDict):
    """The position of a part of a text."""

    index: int
    """From 0. Parts are sent in order."""
    count: int


class SavedData(TypedDict):
    """The snapshot that the notebook should save, with secrets masked."""

    page: NotRequired[str]
    """The only page that writes the output. Absent if pages do not share the notebook."""
    message_id: str | None
    bundle: JSON
    """The values by their MIME types."""


class PagesData(TypedDict):
    """The pages that share the notebook, in the order of their arrival.

    An output is written by the page that ran its cell, if that is one of them, otherwise by the first page.
    """

    pages: list[str]
    answer: bool
    """Whether each page must send `attach`. A page that does not do so in time is considered closed."""


class BlobData(TypedDict):
    """A MIME value that was too long for its step: its `value`, or its JSON in parts if it is too long for a frame."""

    blob: str
    value: NotRequired[Any]
    part: NotRequired[BlobPart]
    text: NotRequired[str]
    """The text of this part. The concatenated texts of all parts are the value's JSON."""


class Frame(TypedDict):
    """A message from the server; an event if it has a `seq`."""

    type: str
    seq: NotRequired[int]
    data: JSON


class Batch(TypedDict):
    """One comm message: the events after `after` up to `upto`, and the text appended to open steps since.

    A comm is a broadcast that may lose messages. A view whose position is before `after` has missed a message: it drops
    the batch and sends `attach`. Other views fold the frames, and their position becomes `upto`.
    """

    epoch: str
    after: int
    upto: int
    frames: list[Frame]


# The table of messages --------------------------------------------------------------------------------------------

Transport = Literal["program", "socket", "comm", "relay"]
"""How a client is connected: a program in the session's process; the server's WebSocket; a widget's comm to a session
in its kernel; the comm of a widget whose session is on a server, which brings its page to that WebSocket."""

Action = Literal["read", "execute", "write"]
"""What a server permits a client to do in a session, in the words of Jupyter Server's authorizers: to watch and export
it; to take part in it; to rename, clear and delete it, and to grant tickets for it."""

_EVERY_SESSION: Final = frozenset[Transport]({"program", "socket", "comm"})
_VIEW: Final = frozenset[Transport]({"socket", "comm"})
_COMM: Final = frozenset[Transport]({"comm"})
_RELAY: Final = frozenset[Transport]({"relay"})


class MessageType(NamedTuple):
    """The declaration of one type of message."""

    content: type
    """The type of its `payload`, or of its `data` if a server sends it."""
    transports: frozenset[Transport]
    """The transports on which it may be sent."""
    is_event: bool = False
    """Whether it is logged, and therefore has a `seq`."""
    permission: Action = "execute"
    """What a client must be permitted to do in a server's session in order to send it."""


CLIENT_MESSAGES: Final[dict[str, MessageType]] = {
    "chat": MessageType(ChatPayload, _EVERY_SESSION),
    "withdraw": MessageType(WithdrawPayload, _EVERY_SESSION),
    "stop": MessageType(StopPayload, _EVERY_SESSION),
    "answer": MessageType(AnswerPayload, _EVERY_SESSION),
    "clear": MessageType(ClearPayload, _EVERY_SESSION, permission="write"),
    "attach": MessageType(AttachPayload, _VIEW | _RELAY, permission="read"),
    "blob": MessageType(BlobPayload, _VIEW, permission="read"),
    "save": MessageType(SavePayload, _COMM | _RELAY),
    "leave": MessageType(LeavePayload, _COMM | _RELAY),
    "pull_model": MessageType(PullModelPayload, _COMM),
    "ticket": MessageType(TicketPayload, _RELAY),
    "module": MessageType(ModulePayload, _RELAY),
    "ping": MessageType(PingPayload, _EVERY_SESSION, permission="read"),
}
"""The messages that clients may send."""

SERVER_MESSAGES: Final[dict[str, MessageType]] = {
    "session": MessageType(SessionData, _VIEW),
    "session_info": MessageType(SessionInfoData, _VIEW, is_event=True),
    "user_message": MessageType(UserMessageData, _VIEW, is_event=True),
    "message_withdrawn": MessageType(MessageWithdrawnData, _VIEW, is_event=True),
    "message_steered": MessageType(MessageSteeredData, _VIEW, is_event=True),
    "run_started": MessageType(RunStartedData, _VIEW, is_event=True),
    "reasoning_step": MessageType(ReasoningStep, _VIEW, is_event=True),
    "step_delta": MessageType(StepDeltaData, _VIEW),
    "request": MessageType(RequestData, _VIEW, is_event=True),
    "request_closed": MessageType(RequestClosedData, _VIEW, is_event=True),
    "run_finished": MessageType(RunFinishedData, _VIEW, is_event=True),
    "ack": MessageType(AckData, _EVERY_SESSION | _RELAY),
    "error": MessageType(ErrorData, _EVERY_SESSION | _RELAY),
    "pong": MessageType(PongData, _EVERY_SESSION),
    "blob": MessageType(BlobData, _VIEW),
    "model": MessageType(ModelData, _COMM),
    "module": MessageType(ModuleData, _COMM | _RELAY),
    "saved": MessageType(SavedData, _COMM | _RELAY),
    "pages": MessageType(PagesData, _COMM | _RELAY),
    "server": MessageType(ServerAddressData, _RELAY),
    "ticket": MessageType(TicketData, _RELAY),
    "no_ticket": MessageType(NoTicketData, _RELAY),
}
"""The messages that servers, and kernels with local sessions, may send."""


# Validation -------------------------------------------------------------------------------------------------------

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MAX_CLIENT_ID: Final = 128


class ProtocolError(ValueError):
    """A message that could not be accepted.

    Attributes:
        code: The machine-readable reason, as in the message `error`.
        id: The client's id of the message; None if it had none.
    """

    def __init__(self, code: str, message: str, message_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.id = message_id

    def frame(self) -> Frame:
        """Return the `error` frame for the client."""
        data: JSON = {"code": self.code, "message": str(self)}
        if self.id is not None:
            data["id"] = self.id
        return {"type": "error", "data": data}


def has_attachments(raw: object) -> bool:
    """Whether a decoded message from a client is a `chat` message in parts, which may be `MAX_CHAT_BYTES` long."""
    payload = raw.get("payload") if isinstance(raw, dict) and raw.get("type") == "chat" else None
    return isinstance(payload, dict) and isinstance(payload.get("message"), list)


def check_session_id(session_id: Any) -> str:
    """Check a session id, and return it.

    Raises:
        ValueError: The id is not 1 to 128 characters of ``A-Z a-z 0-9 _ -``.
    """
    if not (isinstance(session_id, str) and _SESSION_ID.fullmatch(session_id)):
        shown = session_id[:140] if isinstance(session_id, str) else session_id
        msg = f"session id {shown!r}: use 1 to 128 characters of A-Z a-z 0-9 _ -"
        raise ValueError(msg)
    return str(session_id)


def parse_client_message(raw: object, transport: Transport = "program") -> ClientMessage:
    """Validate a decoded message from a client.

    Args:
        raw: The message.
        transport: How the client is connected.

    Raises:
        ProtocolError: The message is not an object, its type is unknown on this transport, or a field has the wrong
            type. The text says which.
    """
    if not isinstance(raw, dict):
        raise ProtocolError("bad_message", "a message must be a JSON object with `type` and `payload`")
    message_id = raw.get("id")
    if message_id is not None and not (isinstance(message_id, str) and 0 < len(message_id) <= _MAX_CLIENT_ID):
        raise ProtocolError("bad_message", f"`id` must be a string of 1 to {_MAX_CLIENT_ID} characters")
    kind = raw.get("type")
    declared = CLIENT_MESSAGES.get(kind) if isinstance(kind, str) else None
    if not isinstance(kind, str) or declared is None or transport not in declared.transports:
        known = ", ".join(name for name, each in CLIENT_MESSAGES.items() if transport in each.transports)
        raise ProtocolError("unknown_type", f"unknown message type {str(kind)[:80]!r}; known are {known}", message_id)
    payload = raw.get("payload", {})
    try:
        msgspec.convert(payload, declared.content)
    except msgspec.ValidationError as error:
        raise ProtocolError("bad_message", f"{kind}: {error}".replace("`$", "`payload"), message_id) from None
    # The parts of a message may be deep, because their unknown fields are dropped; other values may be stored.
    if any(is_deep(value) for name, value in payload.items() if name != "message"):
        raise too_deep(message_id)
    if kind == "chat" and isinstance(payload["message"], list):
        _check_parts(payload["message"], message_id)
    message: ClientMessage = {"type": kind, "payload": payload}
    if message_id is not None:
        message["id"] = message_id
    return message


def too_deep(message_id: str | None = None) -> ProtocolError:
    """Return the error for a message that is nested too deeply."""
    text = f"a value may be nested {MAX_DEPTH} levels deep: send a flatter one, or its text"
    return ProtocolError("too_deep", text, message_id)


def _check_parts(parts: list[Any], message_id: str | None) -> None:
    for index, part in enumerate(parts):
        try:
            part_kind(part, PART_TYPES)
        except ProtocolError as error:
            raise ProtocolError(error.code, f"chat: `payload.message[{index}]`: {error}", message_id) from None


def encode(message: object) -> bytes:
    """Encode a message as compact UTF-8 JSON."""
    return msgspec.json.encode(message)
