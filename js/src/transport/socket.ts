// A link over a WebSocket to a Jupyter server.

import type { ClientMessage, Frame } from "../protocol/frames.ts";
import { pageClock } from "./clock.ts";
import { type Resume, SocketLink, type Wire } from "./socket-link.ts";
import type { Connected, Connection, Notebook, Target } from "./target.ts";

const PROTOCOL = "reasoning-widget.v1";
/** The version of the messages that we know. */
const VERSION = 2;
/** A ticket that ends in so many ms is not worth a connection. */
const NEAR_ITS_END = 60_000;

/** What lets a page in. Nothing where Jupyter's cookie does: on a page of the same server. */
export interface Access {
  /** The server's token, which goes into the address as in JupyterLab's own sockets. */
  token?: string;
  /** A ticket, signed; it goes into a header. */
  ticket?: string;
  /** In how many seconds the ticket ends. */
  expiresIn?: number;
}

/** Why there is no way in. Trying again would change nothing until the person has done something. */
export class Refused extends Error {}

/** Where a session is, and how to get there. */
export interface Server {
  /** The session's socket: `ws://host:8888/ws/chat/<session_id>`. */
  url: string;
  /**
   * What lets us in. Asked at the first connection, where the last ticket is near its end, and, `fresh`, where the last
   * access was refused or has ended. May reject, with a sentence for the person: with `Refused` no more tries follow.
   */
  access(fresh: boolean): Access | Promise<Access>;
  /** Absent where there is none. */
  notebook?: Notebook;
}

/** A target that also wants to know how it stands with the connection: usually the store. */
export type SocketTarget = Target & { connected(sender: Connected): void; moved(connection: Connection): void };

/** Follow the session at `server`, from now until the result is called. Waits for nothing. */
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
  /** Which try is on: what earlier ones still bring is ignored. */
  #try = 0;

  constructor(server: Server, link: () => SocketLink) {
    this.#server = server;
    this.#link = link;
  }

  dial(resume: Resume): void {
    this.hangUp();
    void this.#dial(resume, this.#try);
  }

  post(message: ClientMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }

  hangUp(): void {
    this.#try++;
    this.#socket?.close();
    this.#socket = null;
  }

  async #dial(resume: Resume, number: number): Promise<void> {
    const current = (): boolean => number === this.#try;
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
      this.#accessEnds = pageClock.now() + expiresIn * 1000 - NEAR_ITS_END;
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
    // What a browser tells of a handshake that failed is nothing but this.
    socket.onclose = ({ code, reason }) => {
      if (current()) this.#link().lost(code, reason);
    };
  }
}
