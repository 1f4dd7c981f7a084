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
  it("asks for everything at first, and says which modules it has", () => {
    link.attach();
    expect(posted).toEqual([{ type: "attach", payload: { epoch: null, after: 0, modules: ["math"] } }]);
  });

  it("folds what joins on and stands behind it", () => {
    link.receive(batch(0, 2, message(1), message(2)));
    link.receive(batch(2, 3, message(3)));
    expect(state.messages.map(({ id }) => id)).toEqual(["m1", "m2", "m3"]);
    expect(link.position).toBe(3);
    expect(posted).toEqual([]);
  });

  it("drops what does not join on, asks once, and heals", () => {
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

  it("asks again, ever more patiently, while nothing comes", () => {
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

  it("takes frames that are no events even out of a batch it drops", () => {
    link.receive(batch(5, 6, { type: "model", data: {} }, message(6)));
    expect(noticed).toEqual(["model"]);
    expect(state.messages).toEqual([]);
  });

  it("puts a value together that comes in parts, also where another page's are between them", () => {
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

  it("asks when a delta cannot be placed", () => {
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

  it("a pong tells of a lost last message", () => {
    link.receive(batch(0, 1, message(1)));
    link.receive(batch(1, 1, { type: "pong", data: { last_seq: 1, time: 0 } }));
    expect(posted).toEqual([]);
    link.receive(batch(1, 1, { type: "pong", data: { last_seq: 2, time: 0 } }));
    expect(types()).toEqual(["attach"]);
  });

  it("pings every 30 s while a run is on, and only then", () => {
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

describe("own messages", () => {
  it("wait until they are acknowledged", () => {
    const id = link.send("stop", { run_id: "r" });
    expect([...link.pending.keys()]).toEqual([id]);
    link.receive(ack(id));
    expect(link.pending.size).toBe(0);
  });

  it("no longer wait when they were refused", () => {
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

  it("go out again when a later ping came back without their acknowledgement", () => {
    const id = link.send("chat", { message: "?", agent_name: "a" });
    clock.pass(30_000);
    expect(types()).toEqual(["chat", "ping"]);
    link.receive(batch(0, 0, { type: "pong", data: { last_seq: 0, time: 0 } }));
    expect(types()).toEqual(["chat", "ping", "chat"]);
    expect(posted[2]?.id).toBe(id);
  });

  it("have ids of their own", () => {
    expect(link.send("ping", {})).not.toBe(link.send("ping", {}));
  });
});

describe("a page that shares the notebook with others", () => {
  const pages = (answer: boolean): Batch => batch(0, 0, { type: "pages", data: { pages: ["a", "b"], answer } });

  it("says so, and again whenever it attaches", () => {
    link.enter("a");
    link.attach();
    expect(posted.map(({ payload }) => payload)).toEqual([
      { epoch: null, after: 0, modules: ["math"], page: "a" },
      { epoch: null, after: 0, modules: ["math"], page: "a" },
    ]);
  });

  it("answers when the kernel wants to know who is there, and not else", () => {
    link.enter("a");
    link.receive(pages(false));
    expect(posted).toHaveLength(1);
    link.receive(pages(true));
    expect(posted).toHaveLength(2);
    expect(posted[1]).toMatchObject({ type: "attach", payload: { page: "a" } });
    expect(noticed).toEqual(["pages", "pages"]);
  });

  it("says that it goes", () => {
    link.leave("a");
    expect(posted).toEqual([{ type: "leave", payload: { page: "a" } }]);
  });

  it("that does not share it has nothing to answer", () => {
    link.receive(pages(true));
    expect(posted).toEqual([]);
  });
});
