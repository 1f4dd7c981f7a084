import { beforeEach, describe, expect, it } from "vitest";
import { newTranscript, receive, type Transcript } from "../../src/protocol/fold.ts";
import type { Batch, ClientMessage, Frame } from "../../src/protocol/frames.ts";
import { Link } from "../../src/transport/link.ts";
import type { Target } from "../../src/transport/target.ts";
import { FakeClock } from "../fake-clock.ts";

let clock: FakeClock;
let posted: ClientMessage[];
let state: Transcript;
let noticed: string[];
let running: boolean;
let link: Link;

const target: Target = {
  startOver: (epoch) => {
    state = { ...newTranscript(), epoch };
  },
  fold: (frame) => receive(state, frame),
  notice: (frame) => void noticed.push(frame.type),
  settled: () => {},
  waiting: () => {},
  running: () => running,
  modules: () => ["math"],
};

beforeEach(() => {
  target.notice = (frame) => void noticed.push(frame.type);
  clock = new FakeClock();
  posted = [];
  noticed = [];
  running = false;
  link = new Link((message) => posted.push(message), target, clock);
});

const message = (seq: number): Frame => ({
  type: "user_message",
  seq,
  data: { id: `m${seq}`, content: "?", timestamp: 1, follows: null },
});
const batch = (after: number, upto: number, ...frames: Frame[]): Batch => ({ epoch: "e", after, upto, frames });
const ack = (id: string): Batch => batch(link.position, link.position, { type: "ack", data: { id } });
const types = (): string[] => posted.map(({ type }) => type);

describe("following", () => {
  it("requests everything at first, with the names of its modules", () => {
    link.attach();
    expect(posted).toEqual([{ type: "attach", payload: { epoch: null, after: 0, modules: ["math"] } }]);
  });

  it("folds a batch without a gap and advances its position", () => {
    link.receive(batch(0, 2, message(1), message(2)));
    link.receive(batch(2, 3, message(3)));
    expect(state.messages.map(({ id }) => id)).toEqual(["m1", "m2", "m3"]);
    expect(link.position).toBe(3);
    expect(posted).toEqual([]);
  });

  it("drops a batch after a gap, requests once, and recovers", () => {
    link.receive(batch(0, 1, message(1)));
    link.receive(batch(2, 3, message(3)));
    link.receive(batch(3, 4, message(4)));
    expect(state.messages).toHaveLength(1);
    expect(posted).toEqual([{ type: "attach", payload: { epoch: "e", after: 1, modules: ["math"] } }]);
    link.receive(batch(1, 4, message(2), message(3), message(4)));
    expect(state.messages).toHaveLength(4);
    clock.pass(100_000);
    expect(posted).toHaveLength(1);
  });

  it("repeats the request with growing delays while there is no answer", () => {
    link.attach();
    clock.pass(1999);
    expect(posted).toHaveLength(1);
    clock.pass(1);
    expect(posted).toHaveLength(2);
    clock.pass(4000);
    expect(posted).toHaveLength(3);
    link.receive(batch(0, 0));
    clock.pass(100_000);
    expect(posted).toHaveLength(3);
  });

  it("handles frames that are not events even in a dropped batch", () => {
    link.receive(batch(5, 6, { type: "model", data: {} }, message(6)));
    expect(noticed).toEqual(["model"]);
    expect(state.messages).toEqual([]);
  });

  it("joins a value that arrives in parts, even between parts for another page", () => {
    const values: unknown[] = [];
    target.notice = ({ data }) => void values.push(data.value);
    const part = (index: number, text: string): Frame => ({
      type: "blob",
      data: { blob: "b", part: { index, count: 3 }, text },
    });
    link.receive(batch(0, 0, part(0, '{"a":'), part(0, '{"a":'), part(2, "}")));
    expect(values).toEqual([]);
    link.receive(batch(0, 0, part(1, "1")));
    expect(values).toEqual([{ a: 1 }]);
  });

  it("requests what a delta shows to be missing", () => {
    const delta = { step_id: "s", base: 1, channel: "content", offset: 0, text: "x" };
    link.receive(batch(0, 1, message(1), { type: "step_delta", data: delta }));
    expect(posted).toEqual([{ type: "attach", payload: { epoch: "e", after: 1, modules: ["math"] } }]);
  });

  it("starts over in a new epoch", () => {
    link.receive(batch(0, 2, message(1), message(2)));
    link.receive({ epoch: "f", after: 0, upto: 1, frames: [message(1)] });
    expect(state.messages).toHaveLength(1);
    expect(link.position).toBe(1);
  });

  it("notices from a pong that the last message was lost", () => {
    link.receive(batch(0, 1, message(1)));
    link.receive(batch(1, 1, { type: "pong", data: { last_seq: 1, time: 0 } }));
    expect(posted).toEqual([]);
    link.receive(batch(1, 1, { type: "pong", data: { last_seq: 2, time: 0 } }));
    expect(types()).toEqual(["attach"]);
  });

  it("pings every 30 s, only during a run", () => {
    clock.pass(60_000);
    expect(posted).toEqual([]);
    running = true;
    clock.pass(60_000);
    expect(types()).toEqual(["ping", "ping"]);
    link.close();
    clock.pass(60_000);
    expect(posted).toHaveLength(2);
  });
});

describe("sent messages", () => {
  it("wait until they are acknowledged", () => {
    const id = link.send("stop", { run_id: "r" });
    expect([...link.pending.keys()]).toEqual([id]);
    link.receive(ack(id));
    expect(link.pending.size).toBe(0);
  });

  it("no longer wait after they were refused", () => {
    const id = link.send("chat", { message: "", agent_name: "a" });
    link.receive(batch(0, 0, { type: "error", data: { code: "empty", message: "Write something.", id } }));
    expect(link.pending.size).toBe(0);
  });

  it("are late after a second without an acknowledgement", () => {
    const id = link.send("stop", {});
    clock.pass(999);
    expect(link.late).toBe(false);
    clock.pass(1);
    expect(link.late).toBe(true);
    link.receive(ack(id));
    expect(link.late).toBe(false);
  });

  it("are sent again if a later ping is answered before they are acknowledged", () => {
    const id = link.send("chat", { message: "?", agent_name: "a" });
    clock.pass(30_000);
    expect(types()).toEqual(["chat", "ping"]);
    link.receive(batch(0, 0, { type: "pong", data: { last_seq: 0, time: 0 } }));
    expect(types()).toEqual(["chat", "ping", "chat"]);
    expect(posted[2]?.id).toBe(id);
  });

  it("have unique ids", () => {
    expect(link.send("ping", {})).not.toBe(link.send("ping", {}));
  });
});

describe("a page that shares the notebook with others", () => {
  const pages = (answer: boolean): Batch => batch(0, 0, { type: "pages", data: { pages: ["a", "b"], answer } });

  it("enters, and again whenever it attaches", () => {
    link.enter("a");
    link.attach();
    expect(posted.map(({ payload }) => payload)).toEqual([
      { epoch: null, after: 0, modules: ["math"], page: "a" },
      { epoch: null, after: 0, modules: ["math"], page: "a" },
    ]);
  });

  it("answers only if the kernel asks which pages are present", () => {
    link.enter("a");
    link.receive(pages(false));
    expect(posted).toHaveLength(1);
    link.receive(pages(true));
    expect(posted).toHaveLength(2);
    expect(posted[1]).toMatchObject({ type: "attach", payload: { page: "a" } });
    expect(noticed).toEqual(["pages", "pages"]);
  });

  it("leaves", () => {
    link.leave("a");
    expect(posted).toEqual([{ type: "leave", payload: { page: "a" } }]);
  });

  it("that does not share it does not answer", () => {
    link.receive(pages(true));
    expect(posted).toEqual([]);
  });
});
