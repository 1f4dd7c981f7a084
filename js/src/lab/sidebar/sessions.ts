// The list of the server's sessions, as far as it has been asked for.

import { Signal } from "@lumino/signaling";
import type { SessionInfo, SessionPage } from "./api.ts";

/** Sessions that are fetched at once. */
export const PAGE = 50;

export interface Source {
  list(query: string, limit: number, cursor: string | null): Promise<SessionPage>;
}

/** The list of sessions. */
export class SessionList {
  readonly changed = new Signal<this, void>(this);
  sessions: readonly SessionInfo[] = [];
  /** What is searched for; empty: nothing. */
  query = "";
  /** Whether the answer to the newest request is still to come. */
  loading = false;
  /** Whether there is any answer yet. */
  known = false;
  /** Why the newest request failed. */
  error: Error | null = null;
  readonly #source: Source;
  #next: string | null = null;
  #request = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  /** Whether there are more sessions than those that are here. */
  get more(): boolean {
    return this.#next !== null;
  }

  /** Whether sessions of several users are here. */
  get shared(): boolean {
    return new Set(this.sessions.map(({ owner }) => owner)).size > 1;
  }

  /** List the sessions in which `query` occurs. */
  async search(query: string): Promise<void> {
    if (query === this.query && this.known) return;
    this.query = query;
    await this.#load(PAGE);
  }

  /** Ask again for what is here. */
  async refresh(): Promise<void> {
    await this.#load(Math.max(PAGE, this.sessions.length));
  }

  /** Ask for the next sessions of the list. */
  async loadMore(): Promise<void> {
    if (this.more && !this.loading) await this.#load(this.sessions.length + PAGE, this.sessions, this.#next);
  }

  /** Fetch pages until `count` sessions are here; what a newer request has overtaken is dropped. */
  async #load(count: number, known: readonly SessionInfo[] = [], cursor: string | null = null): Promise<void> {
    const request = ++this.#request;
    this.loading = true;
    this.changed.emit();
    let sessions = known;
    let next = cursor;
    let error: Error | null = null;
    try {
      do {
        const page = await this.#source.list(this.query, PAGE, next);
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

/** A session in which something was said between two requests is on both pages: the first is newer. */
function unique(sessions: readonly SessionInfo[]): SessionInfo[] {
  return [...new Map([...sessions].reverse().map((session) => [session.id, session])).values()].reverse();
}
