import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Frame } from "../../src/protocol/frames.ts";
import { readSession, type SavedSession, savedStore } from "../../src/store/snapshot.ts";
import { matching } from "../../src/view/find.ts";
import { drawSaved } from "../../src/view/saved.tsx";
import { Page, SESSION, started } from "../page.ts";

const PNG = "\x89PNG\r\n\x1a\n";
const BASE64 = btoa(PNG);
let page: Page;

// jsdom does not show dialogs.
HTMLDialogElement.prototype.showModal = function () {
  this.open = true;
};
HTMLDialogElement.prototype.close = function () {
  this.open = false;
  this.dispatchEvent(new Event("close"));
};

beforeEach(async () => {
  page = new Page();
  await page.hear(SESSION);
});
afterEach(() => page.close());

function file(name: string, type: string, content = "x"): File {
  return new File([Uint8Array.from(content, (character) => character.charCodeAt(0))], name, { type });
}

const picture = (name = "plot.png"): File => file(name, "image/png", PNG);

/** Files in the form of an event's data. */
function transfer(type: string, property: string, files: File[], text = ""): Event {
  const event = new Event(type, { bubbles: true, cancelable: true });
  Object.defineProperty(event, property, { value: { files, types: ["Files"], getData: () => text } });
  return event;
}

async function choose(...files: File[]): Promise<void> {
  const chooser = page.element.querySelector<HTMLInputElement>("input[type=file]") as HTMLInputElement;
  Object.defineProperty(chooser, "files", { value: files, configurable: true });
  chooser.dispatchEvent(new Event("change", { bubbles: true }));
  await vi.waitFor(() => expect(page.element.querySelectorAll(".rw-remove, .rw-unfit").length).toBeGreaterThan(0));
  await page.drawn();
}

const names = (): string[] =>
  [...page.element.querySelectorAll("ul[aria-label=Attachments] button")].map(
    (button) => button.getAttribute("aria-label")?.replace("Remove ", "") ?? "",
  );
const said = (): (string | null)[] =>
  [...(page.element.querySelector('[aria-live="polite"]')?.children ?? [])].map(({ textContent }) => textContent);
const alerts = (): (string | null)[] =>
  [...page.element.querySelectorAll("[role=alert]")].map(({ textContent }) => textContent);
const isOff = (name: string): boolean => page.button(name).getAttribute("aria-disabled") === "true";

const image = (blob = "b1", name = "plot.png") => ({ image: { blob, mime: "image/png", bytes: PNG.length, name } });
const table = { file: { blob: "b2", mime: "text/csv", bytes: 1, name: "a.csv" } };
const asked = (seq: number, id: string, content: string, ...parts: object[]): Frame => ({
  type: "user_message",
  seq,
  data: { id, content, parts, timestamp: 1000, follows: null },
});

describe("the composer", () => {
  it("opens the browser's file dialog", () => {
    const chooser = page.element.querySelector<HTMLInputElement>("input[type=file]") as HTMLInputElement;
    const clicked = vi.spyOn(chooser, "click");
    page.button("Attach").click();
    expect(clicked).toHaveBeenCalledOnce();
    expect(chooser.multiple).toBe(true);
  });

  it("shows and announces attachments, and sends them with the text", async () => {
    await page.write("Why?");
    await choose(picture(), file("a.csv", "text/csv", "a,b"));
    expect(names()).toEqual(["plot.png", "a.csv"]);
    expect(page.element.querySelector("img[alt='plot.png']")?.getAttribute("src")).toContain(BASE64);
    expect(page.element.querySelector(".rw-tile")?.textContent).toBe("a.csv3 bytes");
    expect(said()).toEqual(["“plot.png” is attached.", "“a.csv” is attached."]);

    page.button("Send").click();
    await page.drawn();
    expect(page.last("chat")?.payload).toMatchObject({
      message: [
        { text: "Why?" },
        { image: "data:image/png;base64,", name: "plot.png" },
        { file: "data:text/csv;base64,", name: "a.csv" },
      ],
    });
    expect(page.buffers.map((buffer) => String.fromCharCode(...new Uint8Array(buffer)))).toEqual([PNG, "a,b"]);
    expect([page.field.value, names()]).toEqual(["", []]);
  });

  it("sends attachments without a text, but nothing without both", async () => {
    expect(isOff("Send")).toBe(true);
    await choose(picture());
    expect(isOff("Send")).toBe(false);
    await page.press("Enter");
    expect(page.last("chat")?.payload).toMatchObject({
      message: [{ image: "data:image/png;base64,", name: "plot.png" }],
    });
    expect(isOff("Send")).toBe(true);
  });

  it("sends nothing before all files are read", async () => {
    await page.write("Why?");
    page.field.dispatchEvent(transfer("paste", "clipboardData", [picture()]));
    await page.press("Enter");
    expect(page.last("chat")).toBeUndefined();
    await vi.waitFor(() => expect(names()).toEqual(["plot.png"]));
    await page.press("Enter");
    expect(page.buffers).toHaveLength(1);
  });

  it("removes attachments, and keeps the focus close", async () => {
    await choose(picture("a.png"), picture("b.png"));
    page.button("Remove b.png").focus();
    page.button("Remove b.png").click();
    await page.drawn();
    expect(names()).toEqual(["a.png"]);
    expect(said().at(-1)).toBe("“b.png” is removed.");
    expect(document.activeElement).toBe(page.button("Remove a.png"));
    page.button("Remove a.png").click();
    await page.drawn();
    expect(document.activeElement).toBe(page.field);
    expect(isOff("Send")).toBe(true);
  });

  it("says why a file is not attached, and keeps the others", async () => {
    await page.write("Why?");
    await choose(picture(), file("scan.bmp", "image/bmp"));
    expect(alerts()).toEqual([expect.stringContaining("“scan.bmp” is image/bmp")]);
    expect([page.field.value, names()]).toEqual(["Why?", ["plot.png"]]);
    page.button("Dismiss").click();
    await page.drawn();
    expect(alerts()).toEqual([]);
  });

  it("attaches pasted files, and leaves text to the browser", async () => {
    const text = transfer("paste", "clipboardData", [picture("image.png")], "1\t2");
    page.field.dispatchEvent(text);
    expect(text.defaultPrevented).toBe(false);
    const shot = transfer("paste", "clipboardData", [picture("image.png")]);
    page.field.dispatchEvent(shot);
    expect(shot.defaultPrevented).toBe(true);
    await vi.waitFor(() => expect(names()).toEqual(["image.png"]));
  });

  it("shows where to drop files, and accepts them anywhere in the chat", async () => {
    const conversation = page.element.querySelector(".rw-scroller") as Element;
    const over = transfer("dragover", "dataTransfer", []);
    conversation.dispatchEvent(over);
    await page.drawn();
    expect(over.defaultPrevented).toBe(true);
    expect(page.element.textContent).toContain("Drop images and files here");
    conversation.dispatchEvent(transfer("dragleave", "dataTransfer", []));
    await page.drawn();
    expect(page.element.textContent).not.toContain("Drop images and files here");
    conversation.dispatchEvent(transfer("drop", "dataTransfer", [picture()]));
    await vi.waitFor(() => expect(names()).toEqual(["plot.png"]));
  });

  it("ignores dragged content that is not a file", () => {
    const event = transfer("dragover", "dataTransfer", []);
    Object.assign((event as DragEvent).dataTransfer as object, { types: ["text/plain"] });
    page.field.dispatchEvent(event);
    expect(event.defaultPrevented).toBe(false);
  });

  it("gets refused attachments back", async () => {
    await page.write("Why?");
    await choose(picture());
    page.button("Send").click();
    await page.write("And then?");
    await choose(picture());
    const error = { code: "too_large", message: "It is too large.", id: page.last("chat")?.id };
    await page.hear({ type: "error", data: error });
    expect(page.field.value).toBe("Why?\nAnd then?");
    expect(names()).toEqual(["plot.png", "plot (2).png"]);
  });

  it("gets withdrawn attachments back, and sends them once they are loaded", async () => {
    await page.hear(asked(1, "m", "Why?", { text: "Why?" }, image(), table));
    page.button("Edit queued message").click();
    await page.hear({ type: "message_withdrawn", seq: 2, data: { message_id: "m", reason: "withdrawn" } });
    expect([page.field.value, names()]).toEqual(["Why?", ["plot.png", "a.csv"]]);
    expect(isOff("Send")).toBe(true);
    await page.hear(
      { type: "blob", data: { blob: "b1", value: BASE64 } },
      { type: "blob", data: { blob: "b2", value: "eA==" } },
    );
    page.button("Send").click();
    expect(page.buffers.map((buffer) => String.fromCharCode(...new Uint8Array(buffer)))).toEqual([PNG, "x"]);
  });
});

const blobsAsked = (): unknown[] =>
  page.sent.filter(({ type }) => type === "blob").map(({ payload }) => (payload as { blob: string }).blob);

describe("a prompt", () => {
  it("fetches and shows its images, and names its files", async () => {
    await page.hear(asked(1, "m", "Why?", { text: "Why?" }, image(), table), started(2, "r", "m"));
    const question = page.element.querySelector("[role=group]") as Element;
    expect(question.textContent).toBe("Why?plot.png8 bytes, loading …a.csv1 byte");
    expect(blobsAsked()).toEqual(["b1"]);
    await page.hear({ type: "blob", data: { blob: "b1", value: BASE64 } });
    expect(question.querySelector("img")?.getAttribute("src")).toBe(`data:image/png;base64,${BASE64}`);
    expect(question.querySelectorAll("ul[aria-label=Attached] > li")).toHaveLength(2);
  });

  it("has no text if nothing was written", async () => {
    await page.hear(asked(1, "m", "plot.png", image()), started(2, "r", "m"));
    await page.hear({ type: "blob", data: { blob: "b1", value: BASE64 } });
    expect(page.element.querySelector("[role=group]")?.textContent).toBe("");
  });

  it("shows an image in full size", async () => {
    await page.hear(asked(1, "m", "plot.png", image()), started(2, "r", "m"));
    await page.hear({ type: "blob", data: { blob: "b1", value: BASE64 } });
    page.button("Show plot.png").click();
    await page.drawn();
    const dialog = page.element.querySelector("dialog") as HTMLDialogElement;
    expect([dialog.open, dialog.getAttribute("aria-label")]).toEqual([true, "plot.png"]);
    expect(dialog.querySelector("img")?.getAttribute("src")).toContain(BASE64);
    page.button("Close", dialog).click();
    await page.drawn();
    expect(page.element.querySelector("dialog")).toBeNull();
  });

  it("does not fetch what this page has sent", async () => {
    await choose(picture());
    page.button("Send").click();
    const id = page.last("chat")?.id ?? "";
    await page.drawn();
    expect(page.element.querySelector(".rw-queued img")?.getAttribute("src")).toContain(BASE64);
    await page.hear({ type: "ack", data: { id } }, asked(1, id, "plot.png", image()), started(2, "r", id));
    expect(page.element.querySelector("[role=group] img")?.getAttribute("src")).toContain(BASE64);
    expect(blobsAsked()).toEqual([]);
  });

  it("shows the name of an invalid image", async () => {
    await page.hear(asked(1, "m", "plot.png", image()), started(2, "r", "m"));
    await page.hear({ type: "blob", data: { blob: "b1", value: '"><script>' } });
    const question = page.element.querySelector("[role=group]");
    expect([question?.textContent, question?.querySelector("img")]).toEqual(["plot.png8 bytes", null]);
  });
});

describe("a saved session", () => {
  const read = (parts: unknown, blobs: object): SavedSession => {
    const events = [
      { type: "user_message", data: { id: "m", content: "Why?", parts } },
      { type: "run_started", data: { run_id: "r", message_id: "m" } },
    ];
    return readSession({ format: "reasoning-widget.session", version: 1, session_id: "s", events, blobs });
  };
  const draw = (parts: unknown, blobs: object = {}): HTMLElement => {
    const session = read(parts, blobs);
    const element = document.createElement("div");
    drawSaved(element, savedStore(session, true), session);
    return element.querySelector("[role=group]") as HTMLElement;
  };

  it("shows saved images", () => {
    const question = draw([{ text: "Why?" }, image()], { b1: BASE64 });
    expect(question.querySelector("img")?.getAttribute("src")).toContain(BASE64);
  });

  it("shows the names of images that are not saved", async () => {
    expect(draw([{ text: "Why?" }, image(), table]).textContent).toBe("Why?plot.png8 bytes, not saveda.csv1 byte");
  });

  it("is found by visible names", () => {
    const store = savedStore(read([{ text: "Why?" }, image(), image("b3", "photo.png"), table], { b1: BASE64 }), true);
    const found = ["why", "a.csv", "photo", "plot"].map((words) => matching(store, words)?.size);
    expect(found).toEqual([1, 1, 1, 0]);
  });

  it.each([
    ["none", "all"],
    ["without its content", [{ image: { name: "plot.png" } }]],
    ["of no kind", [{ sound: "beep" }]],
  ])("is its text alone where its parts are %s", (_what, parts) => {
    expect(draw(parts).textContent).toBe("Why?");
  });
});
