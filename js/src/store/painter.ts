// Decides when to draw growing text. It is drawn at once if nothing was drawn just before, so that the tokens of a usual
// model appear without delay; otherwise it is merged with what follows, for longer the longer drawing takes.
//
// Nothing waits for an animation frame: the kernel merges what is faster than frames, and tokens that are slightly slower
// than frames would all be delayed once one of them is.

import { type Clock, pageClock } from "../transport/clock.ts";

/** Text that arrives within this time after a draw, in ms, is drawn together. */
const TOGETHER = 4;
/** The pause after a draw, as a multiple of its duration: drawing takes at most a quarter of the time. */
const REST = 3;
/** The longest pause, in ms. */
const LONGEST_REST = 1000;

/** Schedules the drawing of growing text. */
export class Painter {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #drawnAt = Number.NEGATIVE_INFINITY;
  #rest = TOGETHER;
  #cancel: (() => void) | null = null;

  constructor(clock: Clock = pageClock) {
    this.#clock = clock;
  }

  /** Call `draw` now if the page is idle, otherwise soon, and only once for several requests. */
  request(draw: () => void): void {
    this.#waiting.add(draw);
    if (this.#cancel !== null) return;
    const wait = this.#drawnAt + this.#rest - this.#clock.now();
    if (wait <= 0) this.#drawAll();
    else this.#cancel = this.#clock.after(wait, () => this.#drawAll());
  }

  /** Cancel the request for `draw`. */
  cancel(draw: () => void): void {
    this.#waiting.delete(draw);
  }

  #drawAll(): void {
    this.#cancel?.();
    this.#cancel = null;
    const draws = [...this.#waiting];
    this.#waiting.clear();
    const begin = this.#clock.now();
    for (const draw of draws) draw();
    this.#drawnAt = this.#clock.now();
    this.#rest = Math.min(Math.max(TOGETHER, REST * (this.#drawnAt - begin)), LONGEST_REST);
  }
}
