"""Every message on the wire, version 2.

The types here are the only definition of the protocol: incoming messages are validated against them with `msgspec`,
the JSON Schema is made from them (`json_schema`), and the TypeScript types in ``js/src/protocol/`` are generated from
that schema. Messages are plain dictionaries on both sides; unknown fields are kept, unknown types are folded
generically.

Client to server: ``{"type", "id"?, "payload"}``. Server to client: ``{"type", "seq"?, "data"}``; what carries a
``seq`` is an *event*: it is in the session's log for good.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, NamedTuple, NotRequired, TypedDict, final

import msgspec

from .depth import MAX_DEPTH, is_deep

PROTOCOL_VERSION: Final = 2
"""Version 1 had one MIME bundle, `output`, in the place of `outputs`. It is still read; see `outputs`."""

MAX_FRAME_BYTES: Final = 512 * 1024
"""No frame is longer, in bytes of UTF-8 JSON: WebSocket clients commonly refuse 1 MiB."""

MAX_MESSAGE_BYTES: Final = 256 * 1024
"""The longest text of a prompt, in bytes of UTF-8."""

MAX_CLIENT_FRAME_BYTES: Final = 1024 * 1024
"""The longest message from a client, in bytes of UTF-8 JSON; but see `MAX_CHAT_BYTES`."""

MAX_CHAT_BYTES: Final = 12 * 1024 * 1024
"""The longest `chat` message with attachments, in bytes of UTF-8 JSON. Their base64 is a third longer than they are."""

MAX_QUEUED: Final = 256
"""Messages of a session that may wait for their runs at once."""

MAX_ATTACHMENTS: Final = 10
"""How many images and files a prompt may have."""

MAX_IMAGE_BYTES: Final = 5 * 1024 * 1024
"""The largest image in a prompt, in bytes of the decoded file."""

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""The largest file in a prompt, in bytes."""

IMAGE_TYPES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""The MIME types of the images that a prompt may have."""

MAX_INLINE_MIME_BYTES: Final = 64 * 1024
"""A MIME value longer than this is kept once, by its SHA-256, beside the log."""

MAX_OUTPUTS: Final = 100
"""How many outputs a step has: of more, those in the middle are left out."""

StepType = Literal["thought", "tool_use", "tool_result", "final_answer", "error"]
StepStatus = Literal["streaming", "done", "failed", "stopped"]
RunStatus = Literal["completed", "stopped", "failed", "interrupted", "max_iterations"]
WithdrawalReason = Literal["withdrawn", "stopped", "interrupted"]
Channel = Literal["content", "arguments", "output"]
ModuleName = Literal["math", "highlight"]

STEP_TYPES: Final[tuple[StepType, ...]] = ("thought", "tool_use", "tool_result", "final_answer", "error")
PLAIN_STEP_TYPES: Final[tuple[StepType, ...]] = ("final_answer", "error")
"""What is shown of a run without reasoning."""

TERMINAL_STEP_STATUSES: Final[frozenset[str]] = frozenset({"done", "failed", "stopped"})

JSON = dict[str, Any]
"""A JSON object, as `json.loads` makes it."""

MimeBundle = dict[str, Any]
"""One output, in one form or several: values by their MIME type, as Jupyter has them."""


# What travels -----------------------------------------------------------------------------------------------------


class ToolCall(TypedDict):
    """A call of a tool, as the model wrote it."""

    name: str
    arguments: NotRequired[str]
    """The text of the arguments: usually JSON, but whatever the model wrote."""
    call_id: NotRequired[str]
    """Ties a `tool_result` to its `tool_use`."""


class Usage(TypedDict, total=False):
    """Tokens spent, as the model's server counted them."""

    input_tokens: int
    output_tokens: int


class Raised(TypedDict):
    """Where an exception came from that ended a run."""

    where: str
    """The line, of the agent's own code where it passed through any: its file, or the notebook's cell, and number."""
    traceback: str
    """Python's own account of it."""


class _StepCommon(TypedDict):
    type: StepType
    content: str
    """What there is to read. The text of a thought, answer or error; the text a tool returned; the call, in words."""
    id: NotRequired[str]
    run_id: NotRequired[str]
    status: NotRequired[StepStatus]
    agent: NotRequired[str]
    """The name of the agent whose step this is."""
    parent_id: NotRequired[str]
    """The step within which a nested agent took this one."""
    tool: NotRequired[ToolCall]
    outputs: NotRequired[list[MimeBundle]]
    """What a tool printed and displayed, in order. What was printed in between is a bundle of `text/plain` alone."""
    output: NotRequired[MimeBundle]
    """In version 1: all of it in one bundle. Read as `outputs` of one; never in a transcript."""
    duration: NotRequired[float]
    """Seconds from the step's start to its end."""
    usage: NotRequired[Usage]
    cut: NotRequired[dict[str, int]]
    """How many code points were left out of a channel that grew too long."""
    raised: NotRequired[Raised]
    """Of an error that is an exception of the agent's: where it was raised."""
    scaled: NotRequired[dict[str, list[int]]]
    """Of pictures that were made smaller to be saved, by their places in `outputs`, from 0 (in version 1 by their MIME
    types): the width and height they had, in pixels."""


class Step(_StepCommon):
    """A step as an agent yields it: `type` and `content` are enough, the session adds the rest.

    A step that has an `id` may be yielded again under it, each time it has grown; one without is complete as it
    stands.
    """

    iteration: NotRequired[int]
    timestamp: NotRequired[float]


class ReasoningStep(_StepCommon):
    """A step on the wire. `type`, `content`, `iteration` and `timestamp` alone are a complete one."""

    iteration: int
    """The number of the model call, from 1, that the step belongs to."""
    timestamp: float
    """When the step opened, in seconds since the epoch."""
    index: NotRequired[int]
    """The step's place in its run, from 0: one that opened earlier may be logged later."""


class AgentInfo(TypedDict):
    """An agent that may be asked."""

    name: str
    description: str


# What a prompt is made of -----------------------------------------------------------------------------------------


@final  # so that `in` tells which one it is
class TextPart(TypedDict):
    """Text in a prompt."""

    text: str


@final  # so that `in` tells which one it is
class ImagePart(TypedDict):
    """An image in a prompt."""

    image: str
    """A `data:` address of one of `IMAGE_TYPES`, such as ``data:image/png;base64,…``."""
    name: NotRequired[str]
    """The name of its file."""


@final  # so that `in` tells which one it is
class FilePart(TypedDict):
    """A file in a prompt."""

    file: str
    """A `data:` address, such as ``data:application/pdf;base64,…``."""
    name: str
    """The name of the file, without a folder."""


Part = TextPart | ImagePart | FilePart
"""A part of a prompt, as it travels to the server."""


class Attachment(TypedDict):
    """An image or a file of a prompt, kept beside the log."""

    blob: str
    """The SHA-256 by which its content can be asked for: base64, as a text."""
    mime: str
    """Its MIME type."""
    bytes: int
    """How long it is, decoded."""
    name: str
    """The name of its file."""


@final  # so that `in` tells which one it is
class AttachedImage(TypedDict):
    """An image in a prompt, as it is logged."""

    image: Attachment


@final  # so that `in` tells which one it is
class AttachedFile(TypedDict):
    """A file in a prompt, as it is logged."""

    file: Attachment


LoggedPart = TextPart | AttachedImage | AttachedFile
"""A part of a prompt, as it is logged."""


PartKind = Literal["text", "image", "file"]

PART_TYPES: Final[dict[PartKind, Any]] = {"text": TextPart, "image": ImagePart, "file": FilePart}
"""The types of `Part`, by the field that tells them apart."""

LOGGED_PART_TYPES: Final[dict[PartKind, Any]] = {"text": TextPart, "image": AttachedImage, "file": AttachedFile}
"""The types of `LoggedPart`, by the field that tells them apart."""


def part_kind(part: object, types: dict[PartKind, Any]) -> PartKind:
    """Which of `types` a part is.

    Args:
        part: A decoded JSON value.
        types: `PART_TYPES` or `LOGGED_PART_TYPES`.

    Raises:
        ProtocolError: It is none of them; the text says why.
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
    """The schema of one of several objects, told apart by their fields: msgspec has no such unions."""
    return msgspec.Meta(extra_json_schema={"anyOf": [{"$ref": f"#/$defs/{each.__name__}"} for each in types]})


_AnyPart = Annotated[Any, _any_of(TextPart, ImagePart, FilePart)]
_AnyLoggedPart = Annotated[Any, _any_of(TextPart, AttachedImage, AttachedFile)]


# Client to server -------------------------------------------------------------------------------------------------


class ChatPayload(TypedDict):
    """Send a prompt. While a run is on, it is queued."""

    message: str | list[_AnyPart]
    """A text, or parts with at most `MAX_ATTACHMENTS` images and files among them."""
    agent_name: str
    enable_reasoning: NotRequired[bool]
    max_iterations: NotRequired[int]
    follows: NotRequired[str]
    """The message or step that this one answers; the newest if absent."""
    steer: NotRequired[bool]
    """Hand the message to the run that is on, before its next model call, instead of queueing it."""


class WithdrawPayload(TypedDict):
    """Withdraw a queued message."""

    message_id: str


class StopPayload(TypedDict):
    """Stop the run: the named one, or whichever is on."""

    run_id: NotRequired[str]


class AnswerPayload(TypedDict):
    """Answer an approval (a boolean) or a question (a text). The first answer wins."""

    request_id: str
    value: Any


class ClearPayload(TypedDict):
    """Stop, delete the log and begin a new epoch; naming an old epoch does nothing."""

    epoch: str


class AttachPayload(TypedDict):
    """Send what happened after the event `after` of the log `epoch`."""

    epoch: str | None
    after: int
    modules: NotRequired[list[str]]
    """On a comm: the optional modules that this page has loaded already."""
    page: NotRequired[str]
    """On a comm: the page, where it shares the notebook with others: the id of its connection to the kernel."""


class BlobPayload(TypedDict):
    """Send the MIME value with this SHA-256."""

    blob: str


class SavePayload(TypedDict):
    """Send what a notebook should keep of the session.

    It is answered by `saved`; not so where the page shares the notebook with others, and another one writes the output.
    """

    message_id: str | None
    """The one message it is about; None: the whole session."""
    page: NotRequired[str]
    """The page that asks, as in `attach`."""
    ran_by: NotRequired[str]
    """The page that ran the cell of the output, as the saved session says."""


class LeavePayload(TypedDict):
    """The page closes, and no longer writes."""

    page: str


class TicketPayload(TypedDict):
    """Send a ticket for the session on the server."""

    fresh: bool
    """Whether the server has refused the last one."""


class ModulePayload(TypedDict):
    """Send an optional JavaScript module."""

    name: ModuleName


class PullModelPayload(TypedDict):
    """Download the weights of the model."""


class PingPayload(TypedDict):
    """Ask for `pong`."""


class ClientMessage(TypedDict):
    """A message from a client, validated."""

    type: str
    id: NotRequired[str]
    payload: JSON


# Server to client -------------------------------------------------------------------------------------------------


class SessionInfoData(TypedDict):
    """The session has a new title."""

    title: str


class Author(TypedDict):
    """Who said something, where a server tells people apart."""

    id: str
    """The user's name on the server; of a program with a ticket, ``ticket:<its id>``."""
    name: str
    """The same, as people read it."""
    initials: str
    granted_by: NotRequired[str]
    """The name on the server of the user who granted the ticket."""


class UserMessageData(TypedDict):
    """A prompt was accepted."""

    id: str
    content: str
    """Its text; of a prompt without any, the names of its images and files."""
    parts: NotRequired[list[_AnyLoggedPart]]
    """Absent where it is nothing but a text."""
    author: NotRequired[Author]
    """Absent where the server does not tell people apart, and in a kernel."""
    timestamp: float
    follows: str | None


class MessageWithdrawnData(TypedDict):
    """A queued message will not run."""

    message_id: str
    reason: WithdrawalReason


class MessageSteeredData(TypedDict):
    """A message was handed to the run that is on, instead of starting one of its own."""

    message_id: str
    run_id: str


class RunStartedData(TypedDict):
    """An agent begins to work on a message."""

    run_id: str
    message_id: str
    agent_name: str
    enable_reasoning: bool
    timestamp: float


class RequestData(TypedDict):
    """The agent asks the person something."""

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
    """A request was answered, or no longer waits."""

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
    """The first frame: where the log stands."""

    session_id: str
    protocol: int
    epoch: str
    last_seq: int
    agents: list[AgentInfo]
    agent_name: NotRequired[str]
    """The agent that is asked unless the person chooses another."""
    run: RunStartedData | None
    """The run that is on."""
    time: float
    """The server's clock, in seconds since the epoch: running clocks are set by it."""
    author: NotRequired[Author]
    """As whom the reader speaks. Absent where the server does not tell people apart, and where it was said before."""


class StepDeltaData(TypedDict):
    """Text that was appended to an open step."""

    step_id: str
    base: int
    """The `seq` of the step's last logged snapshot."""
    channel: Channel
    entry: NotRequired[int]
    """Of the channel `output`: which of the step's outputs has this `text/plain`, from 0, which it is if absent. The
    one behind the last begins with it."""
    offset: int
    """Where the text belongs, in Unicode code points from the start of the channel or the entry."""
    text: str


class AckData(TypedDict):
    """The client's message `id` is safe, or done: sent for every message that had an id and no `error`."""

    id: str


class ErrorData(TypedDict):
    """A message could not be accepted. The connection stays open."""

    code: str
    message: str
    id: NotRequired[str]


class PongData(TypedDict):
    """How a lost last message is noticed, and the running clock is set."""

    last_seq: int
    time: float


class ModelData(TypedDict):
    """Which model answers, and whether it is there."""

    name: str
    source: str
    """Where the choice came from: `llm`, `config`, `environment`, `dashscope`, `openai`, `server`, `embedded`."""
    reason: str
    """The choice in a sentence, for people."""
    local: bool
    """A small model on this machine answers: do not expect too much of it."""
    state: Literal["ready", "missing", "downloading", "failed"]
    received: NotRequired[int]
    """Bytes of the weights that are here."""
    total: NotRequired[int]
    message: NotRequired[str]
    """What went wrong, and what to do."""


class ModuleData(TypedDict):
    """The source of an optional JavaScript module that the text now needs."""

    name: ModuleName
    source: str


class ServerAddressData(TypedDict):
    """Where the session is, for a page that connects to it itself."""

    url: str
    """The address of the session's WebSocket."""
    source: NotRequired[str]
    """The JavaScript module that connects to it; absent if the page has it."""


class TicketData(TypedDict):
    """A ticket, with which a page connects to the session on the server."""

    ticket: str
    expires_in: float | None
    """Seconds; None if it does not expire."""


class NoTicketData(TypedDict):
    """There is no ticket."""

    reason: str
    """Why, and what to do."""
    final: bool
    """Whether there will be none later, either."""


class BlobPart(TypedDict):
    """Which part of a text it is."""

    index: int
    """From 0; the parts come in order."""
    count: int


class SavedData(TypedDict):
    """What a notebook should keep, its secrets masked."""

    page: NotRequired[str]
    """The one page that writes it; absent: each page has the notebook to itself."""
    message_id: str | None
    bundle: JSON
    """The values by their MIME type."""


class PagesData(TypedDict):
    """The pages that share the notebook, in the order in which they came.

    An output is written by the page that ran its cell, while that is one of them, and else by the first.
    """

    pages: list[str]
    answer: bool
    """Whether each is to send `attach`: one that does not in time has gone."""


class BlobData(TypedDict):
    """A MIME value that was too long for its step: its `value`, or, where a frame cannot hold it, its JSON in parts."""

    blob: str
    value: NotRequired[Any]
    part: NotRequired[BlobPart]
    text: NotRequired[str]
    """What stands in this part; the texts of all parts, joined, are the value's JSON."""


class Frame(TypedDict):
    """A message from the server; an event if it carries a `seq`."""

    type: str
    seq: NotRequired[int]
    data: JSON


class Batch(TypedDict):
    """One comm message: what happened in the log behind `after`, up to `upto`, and the open text since.

    A comm is a broadcast that may lose messages. A view whose position is before `after` has missed something: it
    drops the batch and sends `attach`; any other folds the frames and stands at `upto`.
    """

    epoch: str
    after: int
    upto: int
    frames: list[Frame]


# The table of messages --------------------------------------------------------------------------------------------

Transport = Literal["program", "socket", "comm", "relay"]
"""How a client is connected: a program in the session's process; the server's WebSocket; a widget's comm to a session
in its kernel; the comm of a widget whose session is on a server, which brings its page to that WebSocket."""

_EVERY_SESSION: Final = frozenset[Transport]({"program", "socket", "comm"})
_VIEW: Final = frozenset[Transport]({"socket", "comm"})
_COMM: Final = frozenset[Transport]({"comm"})
_RELAY: Final = frozenset[Transport]({"relay"})


class MessageType(NamedTuple):
    """What is fixed of one type of message."""

    content: type
    """The type of its `payload`, or of its `data` if a server sends it."""
    transports: frozenset[Transport]
    """Where it may travel."""
    is_event: bool = False
    """Whether it is logged, and so has a `seq`."""


CLIENT_MESSAGES: Final[dict[str, MessageType]] = {
    "chat": MessageType(ChatPayload, _EVERY_SESSION),
    "withdraw": MessageType(WithdrawPayload, _EVERY_SESSION),
    "stop": MessageType(StopPayload, _EVERY_SESSION),
    "answer": MessageType(AnswerPayload, _EVERY_SESSION),
    "clear": MessageType(ClearPayload, _EVERY_SESSION),
    "attach": MessageType(AttachPayload, _VIEW | _RELAY),
    "blob": MessageType(BlobPayload, _VIEW),
    "save": MessageType(SavePayload, _COMM | _RELAY),
    "leave": MessageType(LeavePayload, _COMM | _RELAY),
    "pull_model": MessageType(PullModelPayload, _COMM),
    "ticket": MessageType(TicketPayload, _RELAY),
    "module": MessageType(ModulePayload, _RELAY),
    "ping": MessageType(PingPayload, _EVERY_SESSION),
}
"""Each message that a client may send."""

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
"""Each message that a server sends, or a kernel in its place."""


# Validation -------------------------------------------------------------------------------------------------------

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MAX_CLIENT_ID: Final = 128


class ProtocolError(ValueError):
    """A message that could not be accepted.

    Attributes:
        code: The machine-readable reason, as it travels in `error`.
        id: The client's id of the message, where it had one.
    """

    def __init__(self, code: str, message: str, message_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.id = message_id

    def frame(self) -> Frame:
        """The `error` frame that tells the client."""
        data: JSON = {"code": self.code, "message": str(self)}
        if self.id is not None:
            data["id"] = self.id
        return {"type": "error", "data": data}


def has_attachments(raw: object) -> bool:
    """Whether a decoded message from a client is a `chat` message in parts, which may be `MAX_CHAT_BYTES` long."""
    payload = raw.get("payload") if isinstance(raw, dict) and raw.get("type") == "chat" else None
    return isinstance(payload, dict) and isinstance(payload.get("message"), list)


def check_session_id(session_id: Any) -> str:
    """Return `session_id`.

    Raises:
        ValueError: It is not 1 to 128 characters of ``A-Z a-z 0-9 _ -``.
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
        ProtocolError: It is not an object, its type is unknown on this transport, or a field has the wrong type; the
            text says which.
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
    # What parts have besides their texts is dropped; all else may be kept.
    if any(is_deep(value) for name, value in payload.items() if name != "message"):
        raise too_deep(message_id)
    if kind == "chat" and isinstance(payload["message"], list):
        _check_parts(payload["message"], message_id)
    message: ClientMessage = {"type": kind, "payload": payload}
    if message_id is not None:
        message["id"] = message_id
    return message


def too_deep(message_id: str | None = None) -> ProtocolError:
    """What a client is told whose message is nested too deeply."""
    text = f"a value may be nested {MAX_DEPTH} levels deep: send a flatter one, or its text"
    return ProtocolError("too_deep", text, message_id)


def _check_parts(parts: list[Any], message_id: str | None) -> None:
    for index, part in enumerate(parts):
        try:
            part_kind(part, PART_TYPES)
        except ProtocolError as error:
            raise ProtocolError(error.code, f"chat: `payload.message[{index}]`: {error}", message_id) from None


def encode(message: object) -> bytes:
    """`message` as compact UTF-8 JSON."""
    return msgspec.json.encode(message)
