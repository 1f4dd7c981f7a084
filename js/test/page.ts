// A page with a chat whose kernel is the test.

import type { ClientMessage, Frame } from "../src/protocol/frames.ts";
import type { ReasoningStep } from "../src/protocol/messages.ts";
import { newReader, readerOf } from "../src/store/reader.ts";
import widget from "../src/widget.ts";

type Listener = (content: unknown) => void;

/** jsdom has no layout, so sizes never change. */
class NoResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}
globalThis.ResizeObserver ??= NoResizeObserver;
Element.prototype.scrollIntoView ??= () => {};
// jsdom has no `CSS`. The ids in tests need no escaping.
globalThis.CSS ??= { escape: (text: string) => text } as typeof CSS;

export const SESSION: Frame = {
  type: "session",
  data: {
    session_id: "s",
    protocol: 1,
    epoch: "e",
    last_seq: 0,
    agents: [
      { name: "researcher", description: "Searches the files." },
      { name: "assistant", description: "Plain chat." },
    ],
    agent_name: "researcher",
    run: null,
    time: 1000,
  },
};

export class Page {
  readonly sent: ClientMessage[] = [];
  /** The buffers of these messages. */
  readonly buffers: ArrayBuffer[] = [];
  readonly element = document.createElement("div");
  readonly exports: ReturnType<ReturnType<typeof widget>["initialize"]>;
  readonly #widget = widget();
  readonly #end = new AbortController();
  readonly #listeners = new Map<string, Listener>();
  #seq = 0;

  constructor() {
    Object.assign(readerOf("e"), newReader()); // each test has a new reader
    const model = {
      send: (message: unknown, _callbacks?: unknown, buffers: ArrayBuffer[] = []) => {
        this.sent.push(message as ClientMessage);
        this.buffers.push(...buffers);
      },
      on: (event: string, listener: Listener) => void this.#listeners.set(event, listener),
      off: () => {},
    };
    this.exports = this.#widget.initialize({ model, signal: this.#end.signal });
    document.body.append(this.element);
    this.#widget.render({ el: this.element });
  }

  /** Another view of the same chat. */
  view(): HTMLElement {
    const element = document.createElement("div");
    document.body.append(element);
    this.#widget.render({ el: element });
    return element;
  }

  /** Receive `frames` from the kernel. Resolves when they are drawn. */
  async hear(...frames: Frame[]): Promise<void> {
    const after = this.#seq;
    for (const { seq } of frames) this.#seq = Math.max(this.#seq, seq ?? 0);
    this.#listeners.get("msg:custom")?.({ epoch: "e", after, upto: this.#seq, frames });
    await this.drawn();
  }

  /** Receive `content` from the kernel as it is. */
  async told(content: unknown): Promise<void> {
    this.#listeners.get("msg:custom")?.(content);
    await this.drawn();
  }

  /** The comm is closed: the kernel has ended or was restarted. */
  async lose(): Promise<void> {
    this.#listeners.get("comm:close")?.(undefined);
    await this.drawn();
  }

  async drawn(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    await new Promise((resolve) => setTimeout(resolve));
  }

  last(type: string): ClientMessage | undefined {
    return this.sent.findLast((message) => message.type === type);
  }

  card(name: string, within: ParentNode = this.element): HTMLElement {
    return found(within.querySelector(`article[aria-label="${name}"]`), name);
  }

  button(name: string, within: ParentNode = this.element): HTMLButtonElement {
    const buttons = [...within.querySelectorAll<HTMLButtonElement>("button")];
    const named = buttons.filter(
      (button) => (button.getAttribute("aria-label") ?? button.textContent?.trim()) === name,
    );
    return found(named[0] ?? null, name);
  }

  get field(): HTMLTextAreaElement {
    return found(this.element.querySelector<HTMLTextAreaElement>('textarea[aria-label="Message"]'), "Message");
  }

  async write(text: string): Promise<void> {
    this.field.value = text;
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
    await this.drawn();
  }

  async press(key: string, more: KeyboardEventInit = {}): Promise<KeyboardEvent> {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
    this.field.dispatchEvent(event);
    await this.drawn();
    return event;
  }

  close(): void {
    this.#end.abort();
    document.body.replaceChildren();
  }
}

function found<T>(element: T | null, name: string): T {
  if (element === null) throw new Error(`there is no ${name}`);
  return element;
}

export const asked = (seq: number, id: string, content: string): Frame => ({
  type: "user_message",
  seq,
  data: { id, content, timestamp: 1000, follows: null },
});

export const started = (seq: number, run: string, message: string, reasoning = true): Frame => ({
  type: "run_started",
  seq,
  data: { run_id: run, message_id: message, agent_name: "researcher", enable_reasoning: reasoning, timestamp: 1000 },
});

export const step = (seq: number, id: string, data: Partial<ReasoningStep>): Frame => ({
  type: "reasoning_step",
  seq,
  data: { type: "thought", content: "", iteration: 1, timestamp: 1000, id, run_id: "r", status: "done", ...data },
});

export const delta = (id: string, base: number, offset: number, text: string, channel = "content"): Frame => ({
  type: "step_delta",
  data: { step_id: id, base, channel, offset, text },
});

export const finished = (seq: number, run = "r", status = "completed"): Frame => ({
  type: "run_finished",
  seq,
  data: { run_id: run, status, usage: { input_tokens: 1200, output_tokens: 30 }, duration: 2.5 },
});
