import { Widget } from "@lumino/widgets";
import { expect, it, vi } from "vitest";
import { attachAnywhere, detachAnywhere } from "../../src/compat/lumino.ts";

vi.hoisted(() => {
  globalThis.DragEvent ??= class extends MouseEvent {} as typeof DragEvent; // jsdom has none, and Lumino refers to it
});

it("draws a widget in an element outside of the page, and removes it", () => {
  const place = document.createElement("div");
  const widget = new Widget();
  attachAnywhere(widget, place);
  expect(widget.isAttached).toBe(true);
  expect(place.contains(widget.node)).toBe(true);

  detachAnywhere(widget);
  expect(widget.isAttached).toBe(false);
  expect(widget.isDisposed).toBe(true);
  expect(place.childElementCount).toBe(0);
});

it("is needed, because Lumino refuses such an element", () => {
  expect(() => Widget.attach(new Widget(), document.createElement("div"))).toThrow();
});
