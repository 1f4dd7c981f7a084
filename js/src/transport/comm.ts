// A link over the custom messages of a widget's model.

import type { Batch, ClientMessage } from "../protocol/frames.ts";
import { pageClock } from "./clock.ts";
import { Link } from "./link.ts";
import type { Target } from "./target.ts";

/** The part of anywidget's model that is used here. */
export interface CommModel {
  send(content: unknown): void;
  on(event: string, callback: (content: unknown) => void): void;
  off(event: string, callback: (content: unknown) => void): void;
}

/** Follow the session behind `model`, from now until the result is called. Waits for nothing. */
export function connect(model: CommModel, target: Target & { connected(link: Link): void; lost(): void }): () => void {
  const post = (message: ClientMessage): void => {
    try {
      model.send(message);
    } catch {
      target.lost(); // the kernel is gone, and its comm with it
    }
  };
  const link = new Link(post, target, pageClock);
  const receive = (content: unknown): void => {
    if (isBatch(content)) link.receive(content);
  };
  const lost = (): void => target.lost();
  const visible = (): void => {
    if (document.visibilityState === "visible") link.ping();
  };
  model.on("msg:custom", receive);
  model.on("comm:close", lost);
  document.addEventListener("visibilitychange", visible);
  target.connected(link);
  link.attach();
  return () => {
    model.off("msg:custom", receive);
    model.off("comm:close", lost);
    document.removeEventListener("visibilitychange", visible);
    link.close();
  };
}

function isBatch(content: unknown): content is Batch {
  return typeof content === "object" && content !== null && Array.isArray((content as Partial<Batch>).frames);
}
