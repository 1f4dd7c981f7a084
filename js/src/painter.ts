// When to draw text that grows. At once where nothing was drawn just before, so that the first token and a usual model's
// every token are seen without delay; else merged with what follows, and the more drawing costs the more is merged.
//
// The kernel merges what comes faster than frames do. To wait for a frame here as well would only make tokens late: a
// little jitter, and each of them would just miss one.

import { type Clock, pageClock } from "./transport/clock.ts";

/** One frame of a usual screen, in ms. */
const FRAME = 16;
/** What comes within so many ms of a draw came together: it is drawn with the next frame. */
const TOGETHER = 4;
/** After a draw that took c, the next one waits for this many c: drawing takes a quarter of the time at most. */
const REST = 3;
/** However much a draw costs, text is never older than this, in ms. */
const LONGEST_REST = 1000;
/** A hidden page gets no animation frames, and a covered one few: then a timer, in ms, takes their place. */
const NO_FRAME = 100;

export class Painter {
  readonly #clock: Clock;
  readonly #frame: (action: () => void) => () => void;
  readonly #waiting = new Set<() => void>();
  #drawnAt = Number.NEGATIVE_INFINITY;
  #rest = TOGETHER;
  #cancel: (() => void) | null = null;

  constructor(clock: Clock = pageClock, frame = nextFrame) {
    this.#clock = clock;
    this.#frame = frame;
  }

  /** Call `draw`: now if the page is idle, else soon, and once however often it was requested. */
  request(draw: () => void): void {
    this.#waiting.add(draw);
    if (this.#cancel !== null) return;
    const wait = this.#drawnAt + this.#rest - this.#clock.now();
    if (wait <= 0) this.#drawAll();
    else if (this.#rest <= FRAME) this.#cancel = this.#frame(() => this.#drawAll());
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

function nextFrame(action: () => void): () => void {
  const frame = document.hidden ? 0 : requestAnimationFrame(action);
  const timer = setTimeout(action, document.hidden ? FRAME : NO_FRAME);
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}
