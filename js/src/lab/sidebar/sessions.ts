// The list of the server's sessions, as far as it was fetched.

import { Signal } from "@lumino/signaling";
import type { SessionInfo, SessionPage } from "./api.ts";

/** The number of sessions that are fetched at once. */
export const PAGE_SIZE = 50;

/** The server that lists the sessions. */
export interface Source {
  list(query: string, limit: number, cursor: string | null): Promise<SessionPage>;
}

/** The list of sessions. */
export class SessionList {
  readonly changed = new Signal<this, void>(this);
  sessions: readonly SessionInfo[] = [];
  /** The search terms; empty for all sessions. */
  query = "";
  /** Whether the latest request is unanswered. */
  loading = false;
  /** Whether any request was answered. */
  known = false;
  /** Why the latest request failed; null if it did not. */
  error: Error | null = null;
  readonly #source: Source;
  #next: string | null = null;
  #request = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  /** Whether the server has more sessions. */
  get more(): boolean {
    return this.#next !== null;
  }

  /** Whether the list has sessions of several users. */
  get shared(): boolean {
    return new Set(this.sessions.map(({ owner }) => owner)).size > 1;
  }

  /** List the sessions that contain `query`. */
  async search(query: string): Promise<void> {
    if (query === this.query && this.known) return;
    this.query = query;
    await this.#load(PAGE_SIZE);
  }

  /** Fetch the list again, to the same length. */
  async refresh(): Promise<void> {
    await this.#load(Math.max(PAGE_SIZE, this.sessions.length));
  }

  /** Fetch the next page. */
  async loadMore(): Promise<void> {
    if (this.more && !this.loading) await this.#load(this.sessions.length + PAGE_SIZE, this.sessions, this.#next);
  }

  /** Fetch pages until there are `count` sessions. The result is dropped if there was a newer request. */
  async #load(count: number, known: readonly SessionInfo[] = [], cursor: string | null = null): Promise<void> {
    const request = ++this.#request;
    this.loading = true;
    this.changed.emit();
    let sessions = known;
    let next = cursor;
    let error: Error | null = null;
    try {
      do {
        const page = await this.#source.list(this.query, PAGE_SIZE, next);
        if (request !== this.#request) return;
        sessions = [...sessions, ...page.sessions];
        next = page.next_cursor;
      } while (next !== null && sessions.length < count);
      this.sessions = unique(sessions);
      this.#next = next;
      this.known = true;
    } catch (reason) {
      if (request !== this.#request) return;
      error = reason instanceof Error ? reason : new Error(String(reason));
    }
    this.error = error;
    this.loading = false;
    this.changed.emit();
  }
}

/** Remove duplicates: a session that was updated between two requests is on both pages, of which the first is newer. */
function unique(sessions: readonly SessionInfo[]): SessionInfo[] {
  return [...new Map([...sessions].reverse().map((session) => [session.id, session])).values()].reverse();
}
