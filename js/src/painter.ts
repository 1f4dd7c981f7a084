// When to draw text that grows. At once where nothing was drawn for a frame, so that the first token and a slow model's
// every token are seen without delay; else merged with what follows, and the more drawing costs the more is merged.

import { type Clock, pageClock } from "./transport/clock.ts";

/** One frame of a usual screen, in ms. */
const FRAME = 16;
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
  #rest = FRAME;
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
    this.#rest = Math.min(Math.max(FRAME, REST * (this.#drawnAt - begin)), LONGEST_REST);
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
