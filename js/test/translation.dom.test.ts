import { Gettext, nullTranslator } from "@jupyterlab/translation";
import { afterEach, describe, expect, it } from "vitest";
import { formatBytes, formatDuration, stepsInWords } from "../src/format.ts";
import type { Frame } from "../src/protocol/frames.ts";
import { readSession, savedStore } from "../src/store/snapshot.ts";
import { Store } from "../src/store/store.ts";
import { provideTranslation, trans } from "../src/translation.ts";
import type { Connected, Connection } from "../src/transport/target.ts";
import { drawChat } from "../src/view/chat.tsx";
import { drawSaved } from "../src/view/saved.tsx";
import "./page.ts";

const english = nullTranslator.load("");
const inEnglish = trans.__;

afterEach(() => {
  provideTranslation(english);
  document.body.replaceChildren();
});

describe("without translations", () => {
  it.each([
    ["Send", []],
    ["%1 of %2", ["3", "1,200"]],
    ["%2, then %1, then %2", ["a", "b"]],
    ["100 %% of %1", ["it"]],
    ["%1", ["%2 $& $1"]],
    ["%10 %1", ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]],
  ])("“%s” says what JupyterLab makes of it", (text, values) => {
    expect(inEnglish(text, ...values)).toBe(english.__(text, ...values));
  });

  it.each([0, 1, 2, 1234])("%d takes the form that JupyterLab takes", (n) => {
    const own = trans._n("%1 step of %2", "%1 steps of %2", n, "it");
    expect(own).toBe(english._n("%1 step of %2", "%1 steps of %2", n, "it"));
    expect(own).toBe(n === 1 ? "1 step of it" : `${n} steps of it`);
  });
});

describe("with translations", () => {
  it("plurals follow the language, and numbers are unchanged", () => {
    const polish = new Gettext({ locale: "pl", domain: "reasoning_widget" });
    const pluralForms = "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);";
    const words = { "%2 step": ["%2 krok", "%2 kroki", "%2 kroków"], "%1 byte": ["%1 bajt", "%1 bajty", "%1 bajtów"] };
    const header = { language: "pl", pluralForms };
    polish.loadJSON({ "": header, ...words } as unknown as Parameters<Gettext["loadJSON"]>[0], "reasoning_widget");
    provideTranslation(polish);
    expect([1, 2, 5, 1234].map(stepsInWords)).toEqual(["1 krok", "2 kroki", "5 kroków", "1,234 kroki"]);
    expect([1, 3, 11].map(formatBytes)).toEqual(["1 bajt", "3 bajty", "11 bajtów"]);
    expect(formatDuration(125)).toBe("2 min 5 s"); // not translated
  });

  // Texts from the kernel are Greek here: all texts in Latin letters are the page's, and must be translated.

  it("all texts of a live chat are translated", async () => {
    provideMarked();
    const store = new Store();
    store.connected(link());
    store.notice({ type: "session", data: SESSION });
    const announced = new Set<string>();
    for (const event of EVENTS) {
      store.fold(event);
      for (const { text } of store.announcements.list) announced.add(text);
    }
    store.notice({ type: "error", data: { code: "x", message: "Όχι." } });
    store.notice({ type: "blob", data: { blob: "b1", value: "AAA=" } });
    store.notice({ type: "model", data: { ...MODEL, state: "missing", total: 491_400_064 } });
    store.moved({ state: "waiting", seconds: 4, reason: "Σιωπή." });
    store.settled();
    for (const id of Object.keys(store.transcript.steps)) store.toggle(id, true);
    await store.composer.attach([
      new File(["α"], "β.γ"),
      new File(["α"], "δ.ε", { type: "image/ζ" }),
      new File([], "η"),
    ]);
    const said = draw((element) => drawChat(element, store));
    said.push(...announced);
    expect(said).toEqual(
      expect.arrayContaining([
        "«Send»",
        "«Stop»",
        "«Ask σοφός …»",
        "«Chat with σοφός»",
        "«Copy thought, step 1»",
        "«««Tool result», step 7», «stopped»»",
        "«… 1,000 more characters were cut»",
        "«Out of iterations»",
        "«2 iterations»",
        "«1,200 → 30 tokens»",
        "«1 field»",
        "«Approval requested»",
        "«Question requested»: Να;",
        "««Rejected» (Άννα)»",
        "«Next try in 4 s»",
        "«2 messages wait»",
        "«Download model («491 MB»)»",
        "«Attach»",
        "«Attachments»",
        "«Remove β.γ»",
        "«“η” is empty.»",
        "«Show θ.ι»",
        "««2 bytes», loading …»",
      ]),
    );
    expect(said.filter(isOurs)).toEqual([]);
  });

  it.each<Connection>([
    { state: "connecting" },
    { state: "open" },
    { state: "closed" },
    { state: "resting", reason: "" },
    { state: "deleted" },
  ])("a chat whose connection is $state says everything in them", (connection) => {
    provideMarked();
    const store = new Store();
    store.notice({ type: "session", data: SESSION });
    store.notice({ type: "model", data: { ...MODEL, state: "downloading", received: 50, total: 200 } });
    store.moved(connection);
    store.lost();
    const said = draw((element) => drawChat(element, store));
    expect(said).toContain("««50 bytes» of «200 bytes»»");
    expect(said.filter(isOurs)).toEqual([]);
  });

  it("all texts of a saved transcript are translated", async () => {
    provideMarked();
    const file = { format: "reasoning-widget.session", version: 3, session_id: "s", epoch: "saved" };
    const session = readSession({ ...file, events: [...EVENTS, { type: "user_message" }, 7] });
    const element = document.createElement("div");
    document.body.append(element);
    drawSaved(element, savedStore(session, true), session);
    const field = element.querySelector<HTMLInputElement>("input[type=search]");
    if (!field) throw new Error("there is no field");
    field.value = "nothing like it";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await expect.poll(() => textsIn(element)).toContain("«Nothing found»");
    const said = textsIn(element);
    expect(said).toEqual(
      expect.arrayContaining([
        "«2 events cannot be read and are left out.»",
        "«This was saved by a later version. This version may not show all of it.»",
        "«Find in the transcript»",
      ]),
    );
    expect(said.filter(isOurs)).toEqual([]);
  });
});

/** Translations that add quotation marks to the English texts. */
function provideMarked(): void {
  provideTranslation({
    __: (text, ...values) => `«${english.__(text, ...values)}»`,
    _n: (one, many, n, ...values) => `«${english._n(one, many, n, ...values)}»`,
  });
}

/** Whether there are Latin letters outside of the quotation marks. */
function isOurs(text: string): boolean {
  const outside = text.replace(/«[^«»]*»/g, "");
  return outside === text ? /[A-Za-z]/.test(text) : isOurs(outside);
}

function draw(make: (element: HTMLElement) => unknown): string[] {
  const element = document.createElement("div");
  document.body.append(element);
  make(element);
  return textsIn(element);
}

/** All visible and accessible texts below `root`. */
function textsIn(root: HTMLElement): string[] {
  const texts: string[] = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) texts.push(node.textContent ?? "");
  for (const element of root.querySelectorAll("*")) {
    for (const name of ["aria-label", "title", "placeholder", "alt"]) texts.push(element.getAttribute(name) ?? "");
  }
  return texts.map((text) => text.trim()).filter(Boolean);
}

function link(): Connected {
  const message = (content: string) => ({
    message: { type: "chat" as const, payload: { message: content, agent_name: null, enable_reasoning: true } },
    sentAt: 0,
  });
  return {
    pending: new Map([
      ["p1", message("Πότε;")],
      ["p2", message("Πού;")],
    ]) as unknown as Connected["pending"],
    epoch: "e",
    late: true,
    connection: { state: "open" },
    send: () => "p",
    connect: () => {},
    disconnect: () => {},
    enter: () => {},
    leave: () => {},
    save: () => {},
  };
}

const SESSION = {
  session_id: "s",
  protocol: 1,
  epoch: "e",
  last_seq: 0,
  agents: [{ name: "σοφός", description: "Ξέρει." }],
  agent_name: "σοφός",
  run: null,
  time: 1000,
};

const MODEL = { name: "μ", source: "embedded", reason: "Απαντά.", local: true };

const RUN = { enable_reasoning: true, timestamp: 1000 };

const TOOL = { name: "εύρε", arguments: '{"α": {"β": [1, 2]}}', call_id: "c" };

const ATTACHED = { mime: "image/png", bytes: 2, name: "θ.ι" };

const PARTS = [
  { text: "Γιατί;" },
  { image: { ...ATTACHED, blob: "b1" } },
  { image: { ...ATTACHED, blob: "b2" } },
  { file: { ...ATTACHED, blob: "b3" } },
];

const EVENTS: Frame[] = [
  { type: "user_message", data: { id: "m1", content: "Γιατί;", parts: PARTS, timestamp: 1000, follows: null } },
  { type: "run_started", data: { run_id: "r", message_id: "m1", agent_name: "σοφός", ...RUN } },
  ...[
    { type: "thought", content: "Ίσως.", duration: 0.04, usage: { input_tokens: 9, output_tokens: 4 } },
    { type: "tool_use", tool: TOOL, duration: 2 },
    { type: "tool_result", tool: TOOL, content: "α".repeat(6000), status: "failed", cut: { content: 1000 } },
    { type: "tool_use", tool: { ...TOOL, arguments: "{}" }, status: "stopped", iteration: 2 },
    { type: "tool_result", tool: TOOL, output: { "image/png": "?" }, scaled: { "image/png": [10, 10] }, iteration: 2 },
    { type: "tool_result", tool: TOOL, output: { "image/png": { blob: "b", size: 9000 } }, status: "failed" },
    { type: "tool_result", tool: TOOL, status: "stopped", iteration: 2 },
    { type: "ύπνος", content: "ζζζ", status: "stopped" },
    { type: "final_answer", content: "Έτσι: ![](1)", duration: 125 },
    { type: "error", content: "Όχι.", status: "failed" },
  ].map((step, index) => ({
    type: "reasoning_step",
    data: { id: `s${index}`, run_id: "r", content: "", iteration: 1, timestamp: 1000, status: "done", ...step },
  })),
  ...["approval", "question", "question"].map((kind, index) => ({
    type: "request",
    data: { request_id: `q${index}`, run_id: "r", step_id: null, prompt: "Να;", kind, timestamp: 1000, expires: null },
  })),
  { type: "request_closed", data: { request_id: "q0", reason: "answered", value: false, by: "Άννα" } },
  { type: "request_closed", data: { request_id: "q1", reason: "expired" } },
  {
    type: "run_finished",
    data: { run_id: "r", status: "max_iterations", usage: { input_tokens: 1200, output_tokens: 30 }, duration: 130 },
  },
  { type: "user_message", data: { id: "m2", content: "Και μετά;", timestamp: 1000, follows: null } },
  { type: "run_started", data: { run_id: "r2", message_id: "m2", agent_name: "σοφός", ...RUN } },
  { type: "user_message", data: { id: "m3", content: "Κι άλλο.", timestamp: 1000, follows: null } },
  { type: "νέο_γεγονός", data: {} },
].map((event, index) => ({ ...event, seq: index + 1 }));
