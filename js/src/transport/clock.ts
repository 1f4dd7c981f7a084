// Time, as the policies see it: tests bring a clock of their own.

export interface Clock {
  /** Milliseconds, never going back. */
  now(): number;
  /** Call `action` in `ms` milliseconds; the result cancels that. */
  after(ms: number, action: () => void): () => void;
}

/** The page's own clock. */
export const pageClock: Clock = {
  now: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};
