// The messages by their type on the wire. Their contents are generated, in messages.ts.

import type {
  AckData,
  AnswerPayload,
  AttachPayload,
  BlobData,
  BlobPayload,
  ChatPayload,
  ClearPayload,
  EmptyPayload,
  ErrorData,
  LeavePayload,
  MessageSteeredData,
  MessageWithdrawnData,
  ModelData,
  ModuleData,
  PagesData,
  PongData,
  ReasoningStep,
  RequestClosedData,
  RequestData,
  RunFinishedData,
  RunStartedData,
  SavedData,
  SavePayload,
  SessionData,
  SessionInfoData,
  StepDeltaData,
  StopPayload,
  UserMessageData,
  WithdrawPayload,
} from "./messages.ts";

export type { Batch, Frame } from "./messages.ts";

/** What a notebook holds of a session. */
export const SESSION_MIME = "application/vnd.reasoning-widget.session.v1+json";

/** What a client sends: the payload of each type. */
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
  pull_model: EmptyPayload;
  ping: EmptyPayload;
}

export type ClientType = keyof ClientPayloads;

/** A message to the server. */
export interface ClientMessage<T extends ClientType = ClientType> {
  type: T;
  id?: string;
  payload: ClientPayloads[T];
}

/** What a server sends: the data of each type. */
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
  model: ModelData;
  module: ModuleData;
  blob: BlobData;
  saved: SavedData;
  pages: PagesData;
}

export type ServerType = keyof ServerData;

/** The data of `frame`, if that is its type. */
export function dataOf<T extends ServerType>(frame: { type: string; data: unknown }, type: T): ServerData[T] | null {
  return frame.type === type ? (frame.data as ServerData[T]) : null;
}

/** What the log keeps for good: these carry a `seq`. */
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

export type EventType = (typeof EVENT_TYPES)[number];
