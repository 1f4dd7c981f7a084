// The clock of the policies in this folder; tests replace it.

/** A clock with timers. */
export interface Clock {
  /** A monotonic time in milliseconds. */
  now(): number;
  /** Call `action` in `ms` milliseconds. Call the result to cancel it. */
  after(ms: number, action: () => void): () => void;
}

/** The clock of the page. */
export const pageClock: Clock = {
  now: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};
