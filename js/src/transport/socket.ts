// A link over a WebSocket to a Jupyter server.

import type { ClientMessage, Frame } from "../protocol/frames.ts";
import { pageClock } from "./clock.ts";
import { type Resume, SocketLink, type Wire } from "./socket-link.ts";
import type { Connected, Connection, Notebook, Target } from "./target.ts";

const PROTOCOL = "reasoning-widget.v1";
/** The protocol version of this client. */
const VERSION = 2;
/** A ticket that expires within this time, in ms, is replaced before connecting. */
const EXPIRES_SOON = 60_000;

/** The credentials of a page. Empty on a page of the same server, where Jupyter's cookie suffices. */
export interface Access {
  /** The server's token, sent in the address as JupyterLab does for its own sockets. */
  token?: string;
  /** A signed ticket, sent in a header. */
  ticket?: string;
  /** The time until the ticket expires, in seconds. */
  expiresIn?: number;
}

/** Access was refused. Trying again is useless until the person has done something. */
export class Refused extends Error {}

/** The address of a session on a server, and the access to it. */
export interface Server {
  /** The session's socket: `ws://host:8888/ws/chat/<session_id>`. */
  url: string;
  /**
   * Get access: for the first connection, when the ticket expires soon, and, with `fresh`, when the last access was refused
   * or has expired. May reject with an error whose message is shown to the person; after `Refused` there are no more attempts.
   */
  access(fresh: boolean): Access | Promise<Access>;
  /** Absent if there is no notebook. */
  notebook?: Notebook;
}

/** A target that is also notified of the state of the connection: usually the store. */
export type SocketTarget = Target & { connected(sender: Connected): void; moved(connection: Connection): void };

/** Follow the session at `server` until the returned function is called. Does not wait for the server. */
export function connect(server: Server, target: SocketTarget): () => void {
  const link: SocketLink = new SocketLink(new SocketWire(server, () => link), target, pageClock);
  const wake = (): void => {
    if (document.visibilityState === "visible") link.wake();
  };
  document.addEventListener("visibilitychange", wake);
  window.addEventListener("online", wake);
  Object.assign(link, server.notebook);
  target.connected(link);
  link.connect();
  return () => {
    document.removeEventListener("visibilitychange", wake);
    window.removeEventListener("online", wake);
    link.close();
  };
}

class SocketWire implements Wire {
  readonly #server: Server;
  readonly #link: () => SocketLink;
  #socket: WebSocket | null = null;
  #access: Access | null = null;
  #accessEnds = 0;
  /** The number of the current attempt: callbacks of earlier ones are ignored. */
  #attempt = 0;

  constructor(server: Server, link: () => SocketLink) {
    this.#server = server;
    this.#link = link;
  }

  dial(resume: Resume): void {
    this.hangUp();
    void this.#dial(resume, this.#attempt);
  }

  post(message: ClientMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }

  hangUp(): void {
    this.#attempt++;
    this.#socket?.close();
    this.#socket = null;
  }

  async #dial(resume: Resume, number: number): Promise<void> {
    const current = (): boolean => number === this.#attempt;
    try {
      const access = await this.#currentAccess(resume.fresh);
      if (current()) this.#open(access, resume, current);
    } catch (error) {
      if (!current()) return;
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof Refused) this.#link().refused(reason);
      else this.#link().lost(0, reason);
    }
  }

  async #currentAccess(fresh: boolean): Promise<Access> {
    if (this.#access === null || fresh || pageClock.now() >= this.#accessEnds) {
      const access = await this.#server.access(fresh);
      const { expiresIn = Number.POSITIVE_INFINITY } = access;
      this.#access = access;
      this.#accessEnds = pageClock.now() + expiresIn * 1000 - EXPIRES_SOON;
    }
    return this.#access;
  }

  #open({ token, ticket }: Access, { epoch, after }: Resume, current: () => boolean): void {
    const url = new URL(this.#server.url);
    url.searchParams.set("stream", "tokens");
    url.searchParams.set("protocol", String(VERSION));
    url.searchParams.set("after", String(after));
    if (epoch !== null) url.searchParams.set("epoch", epoch);
    if (token) url.searchParams.set("token", token);
    const socket = new WebSocket(url, ticket ? [PROTOCOL, `ticket.${ticket}`] : [PROTOCOL]);
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (current()) this.#link().receive(JSON.parse(data) as Frame);
    };
    // A browser reports a failed handshake only as a close.
    socket.onclose = ({ code, reason }) => {
      if (current()) this.#link().lost(code, reason);
    };
  }
}
