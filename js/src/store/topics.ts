// Which parts of a chat have changed, so that only the views that show them are drawn again.

/**
 * A part of a chat: `chat` (its messages, runs, requests and notices), `composer`, `bundles` (what a notebook should save),
 * `sent` (a prompt was sent), `clock` (a second has passed during a run), `announcement`, a `run`, a `step` (a new snapshot),
 * the `text` of a step (text was appended), or a `blob`.
 */
export type Topic =
  | "chat"
  | "composer"
  | "bundles"
  | "sent"
  | "clock"
  | "announcement"
  | `${"run" | "step" | "text" | "blob"}:${string}`;

/** The listeners of a chat, by topic. */
export class Topics {
  readonly #listeners = new Map<Topic, Set<() => void>>();
  readonly #changed = new Set<Topic>();

  /** Call `listener` when `topic` has changed, until the returned function is called. */
  on(topic: Topic, listener: () => void): () => void {
    const known = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, known.add(listener));
    return () => {
      known.delete(listener);
      if (known.size === 0 && this.#listeners.get(topic) === known) this.#listeners.delete(topic);
    };
  }

  /** Notify the listeners of these topics now. */
  emit(...topics: Topic[]): void {
    for (const topic of topics) {
      this.#changed.delete(topic);
      for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener();
    }
  }

  /** Notify the listeners of these topics at the next `flush`. */
  mark(...topics: Topic[]): void {
    for (const topic of topics) this.#changed.add(topic);
  }

  /** Notify the listeners of all topics that were marked. */
  flush(): void {
    const topics = [...this.#changed];
    this.#changed.clear();
    this.emit(...topics);
  }
}
