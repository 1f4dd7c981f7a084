// A link over the custom messages of a widget's model. If the session is on a server, the kernel sends its address, and
// the page connects to it directly.

import { loadModule } from "../modules.ts";
import type { Batch, ClientMessage, Frame } from "../protocol/frames.ts";
import { withBuffers } from "./buffers.ts";
import { pageClock } from "./clock.ts";
import { Link } from "./link.ts";
import type { SocketTarget } from "./socket.ts";

/** The part of anywidget's model that is used. */
export interface CommModel {
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
  on(event: string, callback: (content: unknown) => void): void;
  off(event: string, callback: (content: unknown) => void): void;
}

/** The kernel of a page whose session is on a server. */
export interface Kernel {
  post(message: { type: string; payload: unknown }): void;
  /** Aborted when the page no longer needs the session. */
  signal: AbortSignal;
}

/** The optional module "socket". */
export interface SocketModule {
  /** Follow the session that the kernel's `server` frame names. Call the result with further frames, and with null once the kernel is gone. */
  follow(kernel: Kernel, target: SocketTarget, frame: Frame): (frame: Frame | null) => void;
}

declare module "../modules.ts" {
  interface Modules {
    socket: SocketModule;
  }
}

type CommTarget = SocketTarget & { connected(link: Link): void; lost(): void };

/**
 * Follow the session of `model` until the returned function is called. Does not wait for the kernel. `early` are the messages
 * that the kernel has already sent.
 */
export function connect(model: CommModel, target: CommTarget, early: readonly unknown[] = []): () => void {
  const end = new AbortController();
  /** If the session is on a server: receives frames from the kernel, and null once it is gone. */
  let server: Promise<(frame: Frame | null) => void> | null = null;
  const lost = (): void => {
    if (server === null) target.lost();
    else void server.then((handle) => handle(null));
  };
  const post = (message: { type: string; payload: unknown }): void => {
    try {
      const { content, buffers } = withBuffers(message as ClientMessage);
      model.send(content, undefined, buffers);
    } catch {
      lost(); // the kernel is gone, and its comm with it
    }
  };
  const link = new Link(post as (message: ClientMessage) => void, target, pageClock);
  const receive = (content: unknown): void => {
    const frame = content as Frame | null;
    if (server !== null) {
      void server.then((handle) => handle(frame));
    } else if (isBatch(content)) {
      link.receive(content);
    } else if (frame?.type === "server") {
      link.close();
      server = loadModule("socket", String(frame.data.source)).then(({ follow }) =>
        follow({ post, signal: end.signal }, target, frame),
      );
    }
  };
  const onVisibilityChange = (): void => {
    if (document.visibilityState === "visible" && server === null) link.ping();
  };
  model.on("msg:custom", receive);
  model.on("comm:close", lost);
  document.addEventListener("visibilitychange", onVisibilityChange);
  target.connected(link);
  link.attach();
  for (const content of early) receive(content);
  return () => {
    model.off("msg:custom", receive);
    model.off("comm:close", lost);
    document.removeEventListener("visibilitychange", onVisibilityChange);
    link.close();
    end.abort();
  };
}

function isBatch(content: unknown): content is Batch {
  return typeof content === "object" && content !== null && Array.isArray((content as Partial<Batch>).frames);
}
