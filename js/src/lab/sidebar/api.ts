// The server's REST interface, as the sidebar uses it: openapi.yaml describes it.

import { URLExt } from "@jupyterlab/coreutils";
import { ServerConnection } from "@jupyterlab/services";
import type { Server } from "../../transport/socket.ts";
import type { ExportFormat } from "../formats.ts";

/** A session, as the server lists it. */
export interface SessionInfo {
  id: string;
  title: string | null;
  /** Seconds since the epoch. */
  created: number;
  updated: number;
  messages: number;
  runs: number;
  steps: number;
  /** Who was asked last. */
  agent_name: string | null;
  /** Of the newest run. */
  status: string | null;
  /** The user to whom it belongs; null where users are not told apart. */
  owner: string | null;
  /** Text around the first place that a search found. */
  snippet?: string;
}

/** A part of the list, newest first. */
export interface SessionPage {
  sessions: SessionInfo[];
  next_cursor: string | null;
}

/** What the server answers when it does not do what it was asked, in words. */
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

  /** The sessions in which something like `query` was said; all, if it is empty. */
  async list(query: string, limit: number, cursor: string | null): Promise<SessionPage> {
    const parameters = new URLSearchParams({ limit: String(limit) });
    if (query) parameters.set("q", query);
    if (cursor) parameters.set("cursor", cursor);
    return (await this.#call("GET", `sessions?${parameters}`)).json();
  }

  /** Whether the server has the session; where it does not answer, that is not known, and it may. */
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

  /** The session as a file. */
  async export(id: string, format: ExportFormat): Promise<Blob> {
    return (await this.#call("GET", `sessions/${id}/export?format=${format}`)).blob();
  }

  /** A session that the server may not have, as a file. */
  async convert(session: object, format: ExportFormat): Promise<Blob> {
    return (await this.#call("POST", `export?format=${format}`, session)).blob();
  }

  /** Where the session is followed. Jupyter's cookie lets us in; a page that has none has a token. */
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
    const said: { message?: string } = await response.json().catch(() => ({}));
    throw new Refusal(said.message ?? response.statusText, response.status);
  }
}
