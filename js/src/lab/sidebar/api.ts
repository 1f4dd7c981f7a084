// The server's REST API, as described in openapi.yaml, as far as the sidebar uses it.

import { URLExt } from "@jupyterlab/coreutils";
import { ServerConnection } from "@jupyterlab/services";
import type { Server } from "../../transport/socket.ts";
import type { ExportFormat } from "../formats.ts";

/** A session in the server's list. */
export interface SessionInfo {
  id: string;
  title: string | null;
  /** Seconds since the epoch. */
  created: number;
  updated: number;
  messages: number;
  runs: number;
  steps: number;
  /** The agent of the latest run. */
  agent_name: string | null;
  /** The status of the latest run. */
  status: string | null;
  /** The user who owns it; null if the server does not distinguish users. */
  owner: string | null;
  /** The text around the first match of a search. */
  snippet?: string;
}

/** A page of the list, newest first. */
export interface SessionPage {
  sessions: SessionInfo[];
  next_cursor: string | null;
}

/** An error response of the server. The message is to be shown. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** The REST API of the server's sessions. */
export class SessionsApi {
  readonly #settings: ServerConnection.ISettings;

  constructor(settings: ServerConnection.ISettings) {
    this.#settings = settings;
  }

  /** The sessions that contain `query`; all, if it is empty. */
  async list(query: string, limit: number, cursor: string | null): Promise<SessionPage> {
    const parameters = new URLSearchParams({ limit: String(limit) });
    if (query) parameters.set("q", query);
    if (cursor) parameters.set("cursor", cursor);
    return (await this.#call("GET", `sessions?${parameters}`)).json();
  }

  /** Whether the server has the session; true if that is unknown because it does not answer. */
  async has(id: string): Promise<boolean> {
    return this.#call("GET", `sessions/${id}`).then(
      () => true,
      (error) => !(error instanceof Refusal && error.status === 404),
    );
  }

  async rename(id: string, title: string): Promise<void> {
    await this.#call("PATCH", `sessions/${id}`, { title });
  }

  async delete(id: string): Promise<void> {
    await this.#call("DELETE", `sessions/${id}`);
  }

  /** Export a session of the server as a file. */
  async export(id: string, format: ExportFormat): Promise<Blob> {
    return (await this.#call("GET", `sessions/${id}/export?format=${format}`)).blob();
  }

  /** Convert `session`, which the server may not have, to a file. */
  async convert(session: object, format: ExportFormat): Promise<Blob> {
    return (await this.#call("POST", `export?format=${format}`, session)).blob();
  }

  /** The address of a session's WebSocket. Jupyter's cookie gives access, or the token of pages without a cookie. */
  server(id: string): Server {
    const { wsUrl, appendToken, token } = this.#settings;
    return { url: URLExt.join(wsUrl, "ws/chat", id), access: () => (appendToken && token ? { token } : {}) };
  }

  async #call(method: string, path: string, body?: unknown): Promise<Response> {
    const url = URLExt.join(this.#settings.baseUrl, "reasoning-widget/api", path);
    const json = { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const init: RequestInit = body === undefined ? { method } : { method, ...json };
    const response = await ServerConnection.makeRequest(url, init, this.#settings);
    if (response.ok) return response;
    const answer: { message?: string } = await response.json().catch(() => ({}));
    throw new Refusal(answer.message ?? response.statusText, response.status);
  }
}
