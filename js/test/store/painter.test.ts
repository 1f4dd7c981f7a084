import { beforeEach, describe, expect, it } from "vitest";
import { Painter } from "../../src/store/painter.ts";
import { FakeClock } from "../fake-clock.ts";

let clock: FakeClock;
let painter: Painter;
let drawn: number[];
let cost: number;

const draw = (): void => {
  drawn.push(clock.now());
  clock.pass(cost);
};

beforeEach(() => {
  clock = new FakeClock();
  painter = new Painter(clock);
  drawn = [];
  cost = 0;
});

describe("the painter", () => {
  it("draws at once when nothing was drawn just before", () => {
    painter.request(draw);
    clock.pass(20);
    painter.request(draw);
    expect(drawn).toEqual([0, 20]);
  });

  it("draws each token of a usual model at once, even if some are early or late", () => {
    cost = 1;
    const arrivals = [0, 20, 47, 60, 79, 100, 114, 140];
    for (const arrival of arrivals) {
      clock.pass(arrival - clock.now());
      painter.request(draw);
    }
    expect(drawn).toEqual(arrivals);
  });

  it("merges faster tokens", () => {
    painter.request(draw);
    for (let ms = 1; ms <= 3; ms++) {
      clock.pass(1);
      painter.request(draw);
    }
    clock.pass(100);
    expect(drawn).toEqual([0, 4]);
  });

  it("rests three times as long as drawing took", () => {
    cost = 20;
    painter.request(draw);
    painter.request(draw);
    clock.pass(59);
    expect(drawn).toHaveLength(1);
    clock.pass(1);
    expect(drawn).toEqual([0, 80]);
  });

  it("does not draw cancelled requests", () => {
    painter.request(draw);
    painter.request(draw);
    painter.cancel(draw);
    clock.pass(100);
    expect(drawn).toEqual([0]);
  });
});
