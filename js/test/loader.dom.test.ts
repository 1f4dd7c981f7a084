import { afterEach, beforeEach, expect, it, vi } from "vitest";
import loader from "../src/loader.ts";

/** A core that draws its name and the messages it has received. */
const core = (name: string): string => `
  export default (style) => {
    let early;
    const draw = (el) => { el.textContent = ["${name}", style, ...early.map(({ say }) => say)].join(" "); return () => el.replaceChildren(); };
    return { initialize(given) { early = given.early; globalThis.begun?.("${name}"); return { drawRun: draw }; }, render: ({ el }) => draw(el) };
  };`;

let sources: string[];

/** A page in which modules are imported from the text of a Blob. */
beforeEach(() => {
  sources = [];
  vi.stubGlobal(
    "Blob",
    class {
      constructor(readonly text: string[]) {}
    },
  );
  vi.stubGlobal("URL", {
    createObjectURL: ({ text: [source = ""] }: { text: string[] }) => {
      sources.push(source);
      return `data:text/javascript,${encodeURIComponent(source)}`;
    },
    revokeObjectURL: () => {},
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
  delete (globalThis as never as Record<symbol, unknown>)[Symbol.for("reasoning-widget")];
});

class Model {
  readonly sent: unknown[] = [];
  hear: (content: unknown) => void = () => {};
  readonly widget_manager?: { get_model(id: string): Promise<{ get(name: string): unknown }> };
  readonly #version: string;

  constructor(version: string, hidden?: (id: string) => Promise<{ get(name: string): unknown }>) {
    this.#version = version;
    if (hidden) this.widget_manager = { get_model: hidden };
  }
  get(name: string): string {
    return name === "_core" ? "IPY_MODEL_hidden" : this.#version;
  }
  send(content: unknown): void {
    this.sent.push(content);
  }
  on(_event: string, listener: (content: never) => void): void {
    this.hear = listener as typeof this.hear;
  }
  off(): void {}
}

const hiddenModel = (name: string) => (id: string) =>
  id === "hidden"
    ? Promise.resolve({ get: (trait: string) => (trait === "source" ? core(name) : `style-${name}`) })
    : Promise.reject(new Error(`there is no model ${id}`));

function begin(model: Model): HTMLElement {
  const [element, made] = [document.createElement("div"), loader()];
  made.initialize({ model, signal: new AbortController().signal });
  made.render({ el: element });
  return element;
}

it("loads the core once for each version", async () => {
  const chats = ["a", "a", "b"].map((name) => begin(new Model(`version ${name}`, hiddenModel(name))));
  await vi.waitFor(() =>
    expect(chats.map((chat) => chat.textContent)).toEqual(["a style-a", "a style-a", "b style-b"]),
  );
  const late = begin(new Model("version a", () => new Promise(() => {})));
  await vi.waitFor(() => expect(late.textContent).toBe("a style-a"));
  expect(sources).toHaveLength(2);
});

it("keeps messages that arrive before the core", async () => {
  const model = new Model("c", hiddenModel("c"));
  const chat = begin(model);
  model.hear({ say: "first" });
  model.hear({ say: "second" });
  await vi.waitFor(() => expect(chat.textContent).toBe("c style-c first second"));
  expect(model.sent).toEqual([]);
});

it.each([
  ["knows no models", undefined],
  ["does not have it", () => Promise.reject(new Error("no such model"))],
  ["has an empty one", () => Promise.resolve({ get: () => "" })],
])("asks the kernel where the page %s", async (_, hidden) => {
  const model = new Model("d", hidden);
  const chat = begin(model);
  await vi.waitFor(() => expect(model.sent).toEqual([{ type: "core", payload: {} }]));
  model.hear({ say: "meanwhile" });
  model.hear({ type: "core", data: { source: core("d"), style: "plain" } });
  await vi.waitFor(() => expect(chat.textContent).toBe("d plain meanwhile"));
});

it("requests the core from the kernel if the hidden model does not arrive", async () => {
  vi.useFakeTimers();
  const model = new Model("e", () => new Promise(() => {}));
  begin(model);
  await vi.advanceTimersByTimeAsync(900);
  expect(model.sent).toEqual([]);
  await vi.advanceTimersByTimeAsync(200);
  expect(model.sent).toEqual([{ type: "core", payload: {} }]);
});

it("does not wait for another kernel that does not answer", async () => {
  begin(new Model("f", () => new Promise(() => {})));
  const second = begin(new Model("f", hiddenModel("f")));
  await vi.waitFor(() => expect(second.textContent).toBe("f style-f"));
});

it("draws nothing in a removed view, and starts nothing for a closed model", async () => {
  const begun = vi.fn();
  vi.stubGlobal("begun", begun);
  const [element, made, gone] = [document.createElement("div"), loader(), new AbortController()];
  made.initialize({ model: new Model("g", hiddenModel("g")), signal: gone.signal });
  made.render({ el: element })();
  gone.abort();
  const other = begin(new Model("g", hiddenModel("g")));
  await vi.waitFor(() => expect(other.textContent).toBe("g style-g"));
  expect(begun).toHaveBeenCalledTimes(1);
  expect(element.textContent).toBe("");
});

it("reports a core that cannot run, and the next chat tries again", async () => {
  const broken = new Model("h", () => Promise.resolve({ get: () => "export default (" }));
  const chat = begin(broken);
  await vi.waitFor(() => expect(chat.textContent).toContain("This chat cannot be drawn"));
  const next = begin(new Model("h", hiddenModel("h")));
  await vi.waitFor(() => expect(next.textContent).toBe("h style-h"));
});
