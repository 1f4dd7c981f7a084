/** A run card suggests what to do after this time without a message, in seconds. */
export const QUIET_AFTER = 30;

/** The time of the session's host, and the time since its last message. */
export class SessionClock {
  #offset = 0;
  #arrivedAt = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #tick: () => void;

  /** Call `tick` every second while the clock runs. */
  constructor(tick: () => void) {
    this.#tick = tick;
  }

  /** Set the clock to a time that the host has just sent, in seconds since the epoch. */
  set(seconds: number): void {
    this.#offset = seconds - Date.now() / 1000;
  }

  /** The host's time, in seconds since the epoch. */
  now(): number {
    return Date.now() / 1000 + this.#offset;
  }

  /** Note that a message of the session has arrived. */
  messageArrived(): void {
    this.#arrivedAt = performance.now();
  }

  /** Whether no message has arrived for a while. */
  get quiet(): boolean {
    return performance.now() - this.#arrivedAt >= QUIET_AFTER * 1000;
  }

  /** Start or stop the ticks. */
  run(running: boolean): void {
    if (running === (this.#timer !== undefined)) return;
    clearInterval(this.#timer);
    this.#timer = running ? setInterval(this.#tick, 1000) : undefined;
  }
}
