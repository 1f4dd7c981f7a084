// When to draw text that grows. At once where nothing was drawn just before, so that the first token and a usual model's
// every token are seen without delay; else merged with what follows, and the more drawing costs the more is merged.
//
// Nothing waits for an animation frame: the kernel merges what comes faster than frames do. Tokens that come a little
// slower than frames would, once one of them had to wait for its frame, all have to.

import { type Clock, pageClock } from "../transport/clock.ts";

/** What comes within so many ms of a draw came together, and is drawn together. */
const TOGETHER = 4;
/** After a draw that took c, the next one waits for this many c: drawing takes a quarter of the time at most. */
const REST = 3;
/** However much a draw costs, text is never older than this, in ms. */
const LONGEST_REST = 1000;

export class Painter {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #drawnAt = Number.NEGATIVE_INFINITY;
  #rest = TOGETHER;
  #cancel: (() => void) | null = null;

  constructor(clock: Clock = pageClock) {
    this.#clock = clock;
  }

  /** Call `draw`: now if the page is idle, else soon, and once however often it was requested. */
  request(draw: () => void): void {
    this.#waiting.add(draw);
    if (this.#cancel !== null) return;
    const wait = this.#drawnAt + this.#rest - this.#clock.now();
    if (wait <= 0) this.#drawAll();
    else this.#cancel = this.#clock.after(wait, () => this.#drawAll());
  }

  /** Forget `draw`: what it would draw is gone, or drawn. */
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
