// Generated from reasoning_widget/protocol.py by `npm run generate`: do not edit.

/**
 * Send a prompt. It is queued while a run is active.
 */
export interface ChatPayload {
  agent_name: string;
  enable_reasoning?: boolean;
  follows?: string;
  max_iterations?: number;
  message: string | (TextPart | ImagePart | FilePart)[];
  steer?: boolean;
}
/**
 * Text in a prompt.
 */
export interface TextPart {
  text: string;
}
/**
 * An image in a prompt.
 */
export interface ImagePart {
  image: string;
  name?: string;
}
/**
 * A file in a prompt.
 */
export interface FilePart {
  file: string;
  name: string;
}
/**
 * Withdraw a queued message.
 */
export interface WithdrawPayload {
  message_id: string;
}
/**
 * Stop the run with this id, or the active run if there is none.
 */
export interface StopPayload {
  run_id?: string;
}
/**
 * Reply to a request: to an approval with a boolean, to a question with a text. The first reply counts.
 */
export interface AnswerPayload {
  request_id: string;
  value: unknown;
}
/**
 * Stop the run, delete the log and start a new epoch. Ignored unless `epoch` is the current one.
 */
export interface ClearPayload {
  epoch: string;
}
/**
 * Request everything after the event `after` of the log `epoch`.
 */
export interface AttachPayload {
  after: number;
  epoch: string | null;
  modules?: string[];
  page?: string;
}
/**
 * Request the MIME value with this SHA-256.
 */
export interface BlobPayload {
  blob: string;
}
/**
 * Request the snapshot of the session that the notebook should save.
 *
 * The reply is `saved`. There is none if pages share the notebook and another page writes the output.
 */
export interface SavePayload {
  message_id: string | null;
  page?: string;
  ran_by?: string;
}
/**
 * The page closes, and no longer writes outputs.
 */
export interface LeavePayload {
  page: string;
}
/**
 * Download the weights of the model.
 */
export interface PullModelPayload {}
/**
 * Request a ticket for the session on the server.
 */
export interface TicketPayload {
  fresh: boolean;
}
/**
 * Request an optional JavaScript module.
 */
export interface ModulePayload {
  name: "highlight" | "math";
}
/**
 * Request a `pong`.
 */
export interface PingPayload {}
/**
 * The first frame: the current state of the log.
 */
export interface SessionData {
  agent_name?: string;
  agents: AgentInfo[];
  author?: Author;
  epoch: string;
  last_seq: number;
  protocol: number;
  run: RunStartedData | null;
  session_id: string;
  time: number;
}
/**
 * An agent that can be asked.
 */
export interface AgentInfo {
  description: string;
  name: string;
}
/**
 * The author of a message, on a server that distinguishes people.
 */
export interface Author {
  granted_by?: string;
  id: string;
  initials: string;
  name: string;
}
/**
 * An agent started to work on a message.
 */
export interface RunStartedData {
  agent_name: string;
  enable_reasoning: boolean;
  message_id: string;
  run_id: string;
  timestamp: number;
}
/**
 * The session has a new title.
 */
export interface SessionInfoData {
  title: string;
}
/**
 * A prompt was accepted.
 */
export interface UserMessageData {
  agent_name?: string;
  author?: Author;
  content: string;
  enable_reasoning?: boolean;
  follows: string | null;
  id: string;
  max_iterations?: number;
  parts?: (TextPart | AttachedImage | AttachedFile)[];
  timestamp: number;
}
/**
 * An image in a prompt, as it is logged.
 */
export interface AttachedImage {
  image: Attachment;
}
/**
 * An image or a file of a prompt, stored beside the log.
 */
export interface Attachment {
  blob: string;
  bytes: number;
  mime: string;
  name: string;
}
/**
 * A file in a prompt, as it is logged.
 */
export interface AttachedFile {
  file: Attachment;
}
/**
 * A queued message will not run.
 */
export interface MessageWithdrawnData {
  message_id: string;
  reason: "interrupted" | "stopped" | "withdrawn";
}
/**
 * A message was passed to the active run, instead of starting a run of its own.
 */
export interface MessageSteeredData {
  message_id: string;
  run_id: string;
}
/**
 * A step on the wire. Only `type`, `content`, `iteration` and `timestamp` are required.
 */
export interface ReasoningStep {
  agent?: string;
  content: string;
  cut?: {
    [k: string]: number;
  };
  duration?: number;
  id?: string;
  index?: number;
  iteration: number;
  output?: {
    [k: string]: unknown;
  };
  outputs?: {
    [k: string]: unknown;
  }[];
  parent_id?: string;
  raised?: Raised;
  run_id?: string;
  scaled?: {
    [k: string]: number[];
  };
  status?: "done" | "failed" | "stopped" | "streaming";
  timestamp: number;
  tool?: ToolCall;
  type: string;
  usage?: Usage;
}
/**
 * Where an exception that ended a run was raised.
 */
export interface Raised {
  traceback: string;
  where: string;
}
/**
 * A tool call, as written by the model.
 */
export interface ToolCall {
  arguments?: string;
  call_id?: string;
  name: string;
}
/**
 * The tokens that were used, as counted by the model's server.
 */
export interface Usage {
  input_tokens?: number;
  output_tokens?: number;
}
/**
 * Text that was appended to an open step.
 */
export interface StepDeltaData {
  base: number;
  channel: "arguments" | "content" | "output";
  entry?: number;
  offset: number;
  step_id: string;
  text: string;
}
/**
 * The agent asks the person for an approval, or a question.
 */
export interface RequestData {
  details?: {
    [k: string]: unknown;
  };
  expires: number | null;
  kind: "approval" | "question";
  options?: string[];
  prompt: string;
  request_id: string;
  run_id: string;
  step_id: string | null;
  timestamp: number;
}
/**
 * A request was answered, or no longer waits for a reply.
 */
export interface RequestClosedData {
  by?: string;
  reason: "answered" | "expired" | "interrupted" | "stopped";
  request_id: string;
  value?: unknown;
}
/**
 * A run ended.
 */
export interface RunFinishedData {
  duration: number;
  run_id: string;
  status: "completed" | "failed" | "interrupted" | "max_iterations" | "stopped";
  usage: Usage;
}
/**
 * The client's message `id` was stored or carried out. Sent for each message with an id that caused no `error`.
 */
export interface AckData {
  id: string;
}
/**
 * A message could not be accepted. The connection stays open.
 */
export interface ErrorData {
  code: string;
  id?: string;
  message: string;
}
/**
 * The reply to `ping`. Clients detect lost messages with `last_seq`, and set their timers by `time`.
 */
export interface PongData {
  last_seq: number;
  time: number;
}
/**
 * A MIME value that was too long for its step: its `value`, or its JSON in parts if it is too long for a frame.
 */
export interface BlobData {
  blob: string;
  part?: BlobPart;
  text?: string;
  value?: unknown;
}
/**
 * The position of a part of a text.
 */
export interface BlobPart {
  count: number;
  index: number;
}
/**
 * The model that answers, and whether it is available.
 */
export interface ModelData {
  local: boolean;
  message?: string;
  name: string;
  reason: string;
  received?: number;
  source: string;
  state: "downloading" | "failed" | "missing" | "ready";
  total?: number;
}
/**
 * The source of an optional JavaScript module that the transcript needs.
 */
export interface ModuleData {
  name: "highlight" | "math";
  source: string;
}
/**
 * The snapshot that the notebook should save, with secrets masked.
 */
export interface SavedData {
  bundle: {
    [k: string]: unknown;
  };
  message_id: string | null;
  page?: string;
}
/**
 * The pages that share the notebook, in the order of their arrival.
 *
 * An output is written by the page that ran its cell, if that is one of them, otherwise by the first page.
 */
export interface PagesData {
  answer: boolean;
  pages: string[];
}
/**
 * The address of the session, for a page that connects to the server itself.
 */
export interface ServerAddressData {
  source?: string;
  url: string;
}
/**
 * A ticket with which a page connects to the session on the server.
 */
export interface TicketData {
  expires_in: number | null;
  ticket: string;
}
/**
 * No ticket is available.
 */
export interface NoTicketData {
  final: boolean;
  reason: string;
}
/**
 * A validated message from a client.
 */
export interface ClientMessage {
  id?: string;
  payload: {
    [k: string]: unknown;
  };
  type: string;
}
/**
 * A message from the server; an event if it has a `seq`.
 */
export interface Frame {
  data: {
    [k: string]: unknown;
  };
  seq?: number;
  type: string;
}
/**
 * One comm message: the events after `after` up to `upto`, and the text appended to open steps since.
 *
 * A comm is a broadcast that may lose messages. A view whose position is before `after` has missed a message: it drops
 * the batch and sends `attach`. Other views fold the frames, and their position becomes `upto`.
 */
export interface Batch {
  after: number;
  epoch: string;
  frames: Frame[];
  upto: number;
}
/**
 * A step as an agent yields it: `type` and `content` are enough, the session adds the rest.
 *
 * A step with an `id` may be yielded again with the same `id` whenever it has grown. A step without one is complete.
 */
export interface Step {
  agent?: string;
  content: string;
  cut?: {
    [k: string]: number;
  };
  duration?: number;
  id?: string;
  iteration?: number;
  output?: {
    [k: string]: unknown;
  };
  outputs?: {
    [k: string]: unknown;
  }[];
  parent_id?: string;
  raised?: Raised;
  run_id?: string;
  scaled?: {
    [k: string]: number[];
  };
  status?: "done" | "failed" | "stopped" | "streaming";
  timestamp?: number;
  tool?: ToolCall;
  type: string;
  usage?: Usage;
}
/**
 * Text that an agent appends to a step, instead of yielding the step again with its whole text.
 */
export interface StepAppend {
  agent?: string;
  append: string;
  channel?: "arguments" | "content" | "output";
  duration?: number;
  id: string;
  iteration?: number;
  raised?: Raised;
  status?: "done" | "failed" | "stopped" | "streaming";
  timestamp?: number;
  type: string;
  usage?: Usage;
}

/** The payload of each message that a client may send. */
export interface ClientPayloads {
  chat: ChatPayload;
  withdraw: WithdrawPayload;
  stop: StopPayload;
  answer: AnswerPayload;
  clear: ClearPayload;
  attach: AttachPayload;
  blob: BlobPayload;
  save: SavePayload;
  leave: LeavePayload;
  pull_model: PullModelPayload;
  ticket: TicketPayload;
  module: ModulePayload;
  ping: PingPayload;
}

/** The data of each message that a server sends, or a kernel in its place. */
export interface ServerData {
  session: SessionData;
  session_info: SessionInfoData;
  user_message: UserMessageData;
  message_withdrawn: MessageWithdrawnData;
  message_steered: MessageSteeredData;
  run_started: RunStartedData;
  reasoning_step: ReasoningStep;
  step_delta: StepDeltaData;
  request: RequestData;
  request_closed: RequestClosedData;
  run_finished: RunFinishedData;
  ack: AckData;
  error: ErrorData;
  pong: PongData;
  blob: BlobData;
  model: ModelData;
  module: ModuleData;
  saved: SavedData;
  pages: PagesData;
  server: ServerAddressData;
  ticket: TicketData;
  no_ticket: NoTicketData;
}

/** The messages that are logged, and so have a `seq`. */
export const EVENT_TYPES = [
  "session_info",
  "user_message",
  "message_withdrawn",
  "message_steered",
  "run_started",
  "reasoning_step",
  "request",
  "request_closed",
  "run_finished",
] as const;

export const MAX_MESSAGE_BYTES = 262144;
export const MAX_CLIENT_FRAME_BYTES = 1048576;
export const MAX_CHAT_BYTES = 12582912;
export const MAX_ATTACHMENTS = 10;
export const MAX_IMAGE_BYTES = 5242880;
export const MAX_FILE_BYTES = 8388608;
export const IMAGE_TYPES: readonly string[] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
