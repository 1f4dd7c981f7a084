import type { ClientMessage } from "../src/protocol/frames.ts";

/** A WebSocket whose server is the test. */
export class FakeSocket {
  /** All opened sockets, oldest first. */
  static opened: FakeSocket[] = [];
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly sent: ClientMessage[] = [];
  closed = false;

  constructor(
    readonly url: URL,
    readonly protocols: string[],
  ) {
    FakeSocket.opened.push(this);
  }

  /** The socket that was opened last. */
  static get last(): FakeSocket {
    const last = FakeSocket.opened.at(-1);
    if (!last) throw new Error("nothing was opened");
    return last;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.closed = true;
    this.onclose?.({ code: 1005, reason: "" });
  }

  /** Receive `frame` from the server. */
  hear(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** Lose the connection. */
  lose(code = 1006, reason = ""): void {
    this.onclose?.({ code, reason });
  }
}
