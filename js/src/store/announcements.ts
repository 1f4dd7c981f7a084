import type { Topics } from "./topics.ts";

/** The number of announcements kept: after a long conversation is loaded, only its last steps are announced. */
const KEPT = 5;

/** The latest announcements for users of screen readers. */
export class Announcements {
  /** Oldest first. */
  list: readonly { key: number; text: string }[] = [];
  #count = 0;
  readonly #topics: Topics;

  constructor(topics: Topics) {
    this.#topics = topics;
  }

  /** Announce `text` with the next drawing. */
  add(text: string): void {
    this.list = [...this.list, { key: ++this.#count, text }].slice(-KEPT);
    this.#topics.mark("announcement");
  }

  /** Do not announce `text`, if it was not announced yet. */
  retract(text: string): void {
    this.list = this.list.filter((each) => each.text !== text);
  }
}
