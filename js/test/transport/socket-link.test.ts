import { beforeEach, describe, expect, it } from "vitest";
import { newTranscript, receive, type Transcript } from "../../src/protocol/fold.ts";
import type { ClientMessage, Frame } from "../../src/protocol/frames.ts";
import { ANSWER_WITHIN, PING_EVERY, type Resume, SHOW_EVERY, SocketLink } from "../../src/transport/socket-link.ts";
import type { Connection, Target } from "../../src/transport/target.ts";
import { FakeClock } from "../fake-clock.ts";

let clock: FakeClock;
let dialled: Resume[];
let posted: ClientMessage[];
let hungUp: number;
let state: Transcript;
let noticed: Frame[];
let shown: number;
let moves: Connection[];
let link: SocketLink;

const target: Target & { moved(connection: Connection): void } = {
  startOver: (epoch) => {
    state = { ...newTranscript(), epoch };
  },
  fold: (frame) => receive(state, frame),
  notice: (frame) => void noticed.push(frame),
  settled: () => void shown++,
  waiting: () => {},
  running: () => false,
  modules: () => [],
  moved: (connection) => void moves.push(connection),
};

beforeEach(() => {
  clock = new FakeClock();
  dialled = [];
  posted = [];
  hungUp = 0;
  state = newTranscript();
  noticed = [];
  shown = 0;
  moves = [];
  const wire = {
    dial: (resume: Resume) => void dialled.push(resume),
    post: (message: ClientMessage) => void posted.push(message),
    hangUp: () => void hungUp++,
  };
  link = new SocketLink(wire, target, clock);
});

const session = (epoch = "e", lastSeq = 0): Frame => ({
  type: "session",
  data: { session_id: "s", protocol: 1, epoch, last_seq: lastSeq, agents: [], run: null, time: 1000 },
});
const message = (seq: number): Frame => ({
  type: "user_message",
  seq,
  data: { id: `m${seq}`, content: "?", timestamp: 1, follows: null },
});
const step = (seq: number): Frame => ({
  type: "reasoning_step",
  seq,
  data: { type: "thought", content: "", iteration: 1, timestamp: 1, id: "t", status: "streaming" },
});
const delta = (base: number, offset: number): Frame => ({
  type: "step_delta",
  data: { step_id: "t", base, channel: "content", offset, text: "x" },
});
const pong = (lastSeq: number): Frame => ({ type: "pong", data: { last_seq: lastSeq, time: 1000 } });
const types = (): string[] => posted.map(({ type }) => type);
const hear = (...frames: Frame[]): void => {
  for (const frame of frames) link.receive(frame);
};
const open = (...frames: Frame[]): void => {
  link.connect();
  hear(session(), ...frames);
};
const fail = (times: number): void => {
  for (let failure = 0; failure < times; failure++) {
    link.lost(1006, "");
    clock.pass(10_000);
  }
};
const ask = (text = "?"): string => link.send("chat", { message: text, agent_name: "a" });

describe("following", () => {
  it("requests everything at first, and is open after the `session` frame", () => {
    link.connect();
    expect(dialled).toEqual([{ epoch: null, after: 0, fresh: false }]);
    expect(link.connection).toEqual({ state: "connecting" });
    hear(session());
    expect(link.connection).toEqual({ state: "open" });
  });

  it("resumes after the last event received", () => {
    open(message(1), message(2));
    link.lost(1006, "");
    clock.pass(2000);
    expect(dialled[1]).toEqual({ epoch: "e", after: 2, fresh: false });
    hear(session("e", 3), message(3));
    expect(state.messages.map(({ id }) => id)).toEqual(["m1", "m2", "m3"]);
  });

  it("starts over with another log", () => {
    open(message(1), message(2));
    hear(session("f"), message(1));
    expect(state.messages).toHaveLength(1);
    expect(link.position).toBe(1);
  });

  it("requests once what a delta shows to be missing", () => {
    open(message(1));
    hear(delta(2, 0), delta(2, 1));
    expect(posted).toEqual([{ type: "attach", payload: { epoch: "e", after: 1 } }]);
    hear(session(), step(2), delta(2, 0));
    expect(state.steps.t?.content).toBe("x");
    expect(posted).toHaveLength(1);
  });

  it("requests what a pong shows to be missing, but not again without result", () => {
    open(message(1));
    hear(pong(1));
    expect(posted).toEqual([]);
    hear(pong(2), pong(2), pong(3));
    expect(types()).toEqual(["attach"]);
    hear(message(4), pong(5));
    expect(types()).toEqual(["attach", "attach"]);
  });

  it("updates the views at intervals while it catches up, then at once", () => {
    link.connect();
    hear(session("e", 3), message(1), message(2));
    expect(shown).toBe(0);
    clock.pass(SHOW_EVERY);
    expect(shown).toBe(1);
    hear(message(3));
    expect(shown).toBe(2);
    hear(message(4));
    expect(shown).toBe(3);
    clock.pass(SHOW_EVERY);
    expect(shown).toBe(3);
  });

  it("does not wait for events that the server leaves out", () => {
    link.connect();
    hear(session("e", 3), message(1));
    clock.pass(2 * SHOW_EVERY);
    const before = shown;
    hear(delta(1, 0));
    expect(shown).toBe(before + 1);
  });

  it("joins a value that arrives in parts", () => {
    open();
    const part = (index: number, text: string): Frame => ({
      type: "blob",
      data: { blob: "b", part: { index, count: 2 }, text },
    });
    hear(part(0, '{"a":'), part(1, "1}"));
    expect(noticed.filter(({ type }) => type === "blob")).toEqual([
      { type: "blob", data: { blob: "b", value: { a: 1 } } },
    ]);
  });
});

describe("a broken connection", () => {
  it("is restored after 2, 4, 6, 8 and 10 s, then waits for the person", () => {
    open();
    for (const wait of [2, 4, 6, 8, 10]) {
      const tries = dialled.length;
      link.lost(1006, "gone");
      expect(link.connection).toEqual({ state: "waiting", seconds: wait, reason: "gone" });
      clock.pass(wait * 1000 - 1);
      expect(dialled).toHaveLength(tries);
      clock.pass(1);
      expect(dialled).toHaveLength(tries + 1);
    }
    link.lost(1006, "gone");
    expect(link.connection).toEqual({ state: "resting", reason: "gone" });
    clock.pass(1_000_000);
    expect(dialled).toHaveLength(6);
  });

  it("counts the seconds down", () => {
    open();
    link.lost(1006, "");
    clock.pass(2000);
    link.lost(1006, "");
    clock.pass(4000);
    const seconds = moves.flatMap((move) => (move.state === "waiting" ? [move.seconds] : []));
    expect(seconds).toEqual([2, 1, 4, 3, 2, 1]);
  });

  it("has all attempts again after it was open", () => {
    open();
    fail(3);
    hear(session());
    link.lost(1006, "");
    expect(link.connection).toMatchObject({ seconds: 2 });
  });

  it.each<[string, () => void]>([
    ["the person connects", () => link.connect()],
    ["the page is seen or the network is back", () => link.wake()],
    ["a message is written", () => void ask()],
  ])("is tried again after the last attempt when %s", (_, act) => {
    open();
    fail(6);
    expect(link.connection.state).toBe("resting");
    const tries = dialled.length;
    act();
    expect(dialled).toHaveLength(tries + 1);
    link.lost(1006, "");
    expect(link.connection).toMatchObject({ state: "waiting", seconds: 2 });
  });

  it("is tried at once when the page becomes visible", () => {
    open();
    link.lost(1006, "");
    link.wake();
    expect(dialled).toHaveLength(2);
    clock.pass(2000);
    expect(dialled).toHaveLength(2);
  });

  it("stays closed after the person has closed it", () => {
    open();
    link.disconnect();
    expect(hungUp).toBe(1);
    link.lost(1005, "");
    link.wake();
    ask();
    clock.pass(1_000_000);
    expect(link.connection).toEqual({ state: "closed" });
    expect(dialled).toHaveLength(1);
    link.connect();
    hear(session());
    expect(types()).toEqual(["chat"]);
  });

  it("is not restored if the session was deleted", () => {
    open();
    link.lost(4410, "the session was deleted");
    link.connect();
    link.wake();
    link.disconnect();
    ask();
    clock.pass(1_000_000);
    expect(link.connection).toEqual({ state: "deleted" });
    expect(dialled).toHaveLength(1);
  });

  it("requests another ticket at once when the ticket has expired", () => {
    open();
    link.lost(4401, "the ticket has ended");
    expect(dialled.map(({ fresh }) => fresh)).toEqual([false, true]);
    hear(session());
    link.lost(1006, "");
    clock.pass(2000);
    expect(dialled[2]?.fresh).toBe(false);
  });

  it("requests new access after a failed handshake", () => {
    open();
    fail(2);
    expect(dialled.map(({ fresh }) => fresh)).toEqual([false, false, true]);
  });

  it("stops with the reason if the server refuses it", () => {
    link.connect();
    link.refused("The token is wrong.");
    clock.pass(1_000_000);
    expect(link.connection).toEqual({ state: "resting", reason: "The token is wrong." });
    expect(dialled).toHaveLength(1);
    link.connect();
    expect(dialled[1]?.fresh).toBe(true);
  });
});

describe("the heartbeat", () => {
  it("pings the server every 30 s", () => {
    open();
    clock.pass(PING_EVERY);
    hear(pong(0));
    clock.pass(PING_EVERY);
    expect(types()).toEqual(["ping", "ping"]);
    hear(message(1)); // any frame shows that the server is alive
    clock.pass(ANSWER_WITHIN);
    expect(link.connection.state).toBe("open");
  });

  it("closes the connection to a silent server", () => {
    open();
    clock.pass(PING_EVERY + ANSWER_WITHIN);
    expect(hungUp).toBe(1);
    expect(link.connection).toMatchObject({ state: "waiting", seconds: 2 });
  });

  it("pings at once when the page becomes visible again", () => {
    open();
    link.wake();
    expect(types()).toEqual(["ping"]);
  });

  it("ends with the connection", () => {
    open();
    link.close();
    clock.pass(1_000_000);
    expect(posted).toEqual([]);
  });
});

describe("sent messages", () => {
  it("are sent at once while the connection is open, and wait until they are acknowledged", () => {
    open();
    const id = ask();
    expect(posted.map((sent) => sent.id)).toEqual([id]);
    expect([...link.pending.keys()]).toEqual([id]);
    hear({ type: "ack", data: { id } });
    expect(link.pending.size).toBe(0);
  });

  it("written while disconnected are sent after reconnecting, in order and once", () => {
    open();
    link.lost(1006, "");
    const ids = [ask("one"), ask("two")];
    expect(posted).toEqual([]);
    clock.pass(2000);
    hear(session());
    expect(posted.map((sent) => sent.id)).toEqual(ids);
    for (const id of ids) hear({ type: "ack", data: { id } });
    link.lost(1006, "");
    clock.pass(2000);
    hear(session());
    expect(posted).toHaveLength(2);
  });

  it("that are not acknowledged are sent again with the same id", () => {
    open();
    const id = ask();
    link.lost(1006, "");
    clock.pass(2000);
    hear(session());
    expect(posted.map((sent) => sent.id)).toEqual([id, id]);
  });

  it("do not wait for a connection if they stop a run", () => {
    open();
    link.send("stop", { run_id: "r" });
    link.lost(1006, "");
    link.send("stop", { run_id: "r" });
    expect(link.pending.size).toBe(0);
    clock.pass(2000);
    hear(session());
    expect(types()).toEqual(["stop"]);
  });

  it("that are too long for the server are refused in the page", () => {
    open();
    const id = ask("x".repeat(1024 * 1024));
    expect(posted).toEqual([]);
    expect(link.pending.size).toBe(0);
    expect(noticed.at(-1)).toMatchObject({ type: "error", data: { id } });
  });
});
