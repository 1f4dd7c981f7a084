import { beforeEach, describe, expect, it } from "vitest";
import type { SessionInfo, SessionPage } from "../../src/lab/sidebar/api.ts";
import { PAGE_SIZE, SessionList } from "../../src/lab/sidebar/sessions.ts";

/** A server with sessions, newest first, that responds when the test says so. */
class Server {
  names: string[] = [];
  held: (() => void)[] | null = null;
  failure: Error | null = null;

  async list(query: string, limit: number, cursor: string | null): Promise<SessionPage> {
    const begin = Number(cursor ?? 0);
    const found = this.names.filter((name) => name.includes(query));
    const page = found.slice(begin, begin + limit).map((id) => ({ id }) as SessionInfo);
    const { failure } = this;
    if (this.held) await new Promise<void>((resolve) => this.held?.push(resolve));
    if (failure) throw failure;
    return { sessions: page, next_cursor: begin + limit < found.length ? String(begin + limit) : null };
  }
}

let server: Server;
let list: SessionList;
const ids = (): string[] => list.sessions.map(({ id }) => id);

beforeEach(() => {
  server = new Server();
  server.names = Array.from({ length: 2 * PAGE_SIZE + 10 }, (_, index) => `s${index}`);
  list = new SessionList(server);
});

describe("the list of sessions", () => {
  it("shows owners if it has sessions of several users", async () => {
    const owned = (...owners: (string | null)[]) =>
      new SessionList({
        list: async () => ({
          sessions: owners.map((owner, index) => ({ id: `${index}`, owner }) as SessionInfo),
          next_cursor: null,
        }),
      });
    for (const [owners, shared] of [
      [[null, null], false],
      [["ada", "ada"], false],
      [["ada", "bob"], true],
      [["ada", null], true],
      [[], false],
    ] as const) {
      const sessions = owned(...owners);
      await sessions.refresh();
      expect(sessions.shared).toBe(shared);
    }
  });

  it("is loaded page by page", async () => {
    await list.refresh();
    expect(ids()).toEqual(server.names.slice(0, PAGE_SIZE));
    await list.loadMore();
    await list.loadMore();
    expect(ids()).toEqual(server.names);
    expect(list.more).toBe(false);
  });

  it("keeps its length after a refresh, with new sessions", async () => {
    await list.refresh();
    await list.loadMore();
    server.names.unshift("new");
    await list.refresh();
    expect(ids()[0]).toBe("new");
    expect(ids().length).toBeGreaterThanOrEqual(2 * PAGE_SIZE);
  });

  it("has a session that moved between two pages once", async () => {
    await list.refresh();
    server.names.unshift("new");
    await list.loadMore();
    expect(new Set(ids()).size).toBe(ids().length);
  });

  it("shows the results of the latest search, whichever response arrives last", async () => {
    server.held = [];
    const first = list.search("s1");
    const second = list.search("s2");
    const [answerFirst, answerSecond] = server.held;
    answerSecond?.();
    await second;
    answerFirst?.();
    await first;
    expect(ids().every((id) => id.includes("s2"))).toBe(true);
  });

  it("keeps its sessions when the server fails, and says why", async () => {
    await list.refresh();
    server.failure = new Error("gone");
    await list.refresh();
    expect(list.error?.message).toBe("gone");
    expect(ids()).toHaveLength(PAGE_SIZE);
    server.failure = null;
    await list.refresh();
    expect(list.error).toBeNull();
  });
});
