import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { limitHeight } from "../../src/view/height-limit.ts";

let resized: () => void;
let chat: HTMLElement;
let output: HTMLElement;

/** The layout that jsdom lacks: the chat has a height, and there are 20 pixels of other content. */
function layout(height: number, width = 600): void {
  for (const [name, value] of Object.entries({ offsetHeight: height, offsetWidth: width })) {
    Object.defineProperty(chat, name, { value, configurable: true });
  }
  Object.defineProperty(output, "scrollHeight", { value: height + 20, configurable: true });
  resized();
}

beforeEach(() => {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      constructor(callback: () => void) {
        resized = callback;
      }
      observe(): void {}
      disconnect(): void {}
    },
  );
  vi.stubGlobal("requestAnimationFrame", (draw: () => void) => draw());
  output = document.createElement("div");
  document.body.append(output);
  chat = document.createElement("div");
  let inner = output;
  for (let depth = 0; depth < 20; depth++) inner = inner.appendChild(document.createElement("div"));
  inner.append(chat);
});
afterEach(() => {
  output.remove();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

it("is limited by the height of its output, and not any more once there is no limit", () => {
  output.style.cssText = "max-height: 610px; overflow-y: auto";
  limitHeight(chat);
  layout(1000);
  expect(chat.style.maxHeight).toBe("590px");

  output.style.cssText = "";
  layout(590);
  expect(chat.style.maxHeight).toBe("");
});

it("follows a limit that is set later, with its scrollbar", () => {
  limitHeight(chat);
  layout(1000);
  expect(chat.style.maxHeight).toBe("");

  output.style.cssText = "max-height: 610px; overflow-y: auto";
  layout(1000, 590);
  expect(chat.style.maxHeight).toBe("590px");
});

it("reads the styles of the ancestors once while a text grows", () => {
  limitHeight(chat);
  layout(100);
  vi.spyOn(performance, "now").mockReturnValue(performance.now());
  const read = vi.spyOn(window, "getComputedStyle");
  for (let height = 101; height < 200; height++) layout(height);
  expect(read.mock.calls.length).toBe(0);
});
