// One output that holds a session: the live widget where its kernel can be talked to, else what is saved. It goes from
// one to the other without a gap: the next view is drawn, and has caught up, before the earlier one is taken away.
//
// What is saved is always the kernel's work, for there the secrets in it are masked. JupyterLab takes no updates of an output
// from a kernel that restarts, nor after the page was loaded anew: so the page asks for them, hears them, and puts them in
// their place. Where several people share the notebook, one of their pages does so: see writer.ts.

import type { IRenderMime, IRenderMimeRegistry } from "@jupyterlab/rendermime";
import { type JSONObject, UUID } from "@lumino/coreutils";
import { Panel, Widget } from "@lumino/widgets";
import { SESSION_MIME } from "../../protocol/frames.ts";
import { type ConnectedChat, connectedChats, onChat } from "../../store/chats.ts";
import type { SavedSession } from "../../store/snapshot.ts";
import { trans } from "../../translation.ts";
import { loadView } from "../lazy.ts";
import type { KernelWatch } from "./kernel.ts";
import { modelIdOf, ranBy, renewed, WIDGET_MIME } from "./live-views.ts";
import { writesOutput } from "./writer.ts";

/** A widget of another version may never say that it has caught up: it is shown after so many ms. */
const PATIENCE = 3000;

/** While a run is on, what is saved is renewed this often, in ms: so much of it may be lost with the kernel. */
const SAVE_EVERY = 5000;
/** It goes whole to the page, through the server: of so many characters of HTML more, so many times less often. */
const SMALL = 50_000;
/** After a run the kernel's own update is waited for this long, in ms. */
const SAVE_AFTER = 1000;

type Views = typeof import("../view.ts");

export class SessionRenderer extends Panel implements IRenderMime.IRenderer {
  readonly #kernel: KernelWatch;
  readonly #rendermime: IRenderMimeRegistry;
  #views: Views | null = null;
  #model: IRenderMime.IMimeModel | null = null;
  /** What the model holds: asked for once, for the model of an output gives a copy each time. */
  #data: IRenderMime.IMimeModel["data"] = {};
  /** What is saved of the session there, read. */
  #read: SavedSession | null = null;
  #saved: SavedView | null = null;
  #live: LiveView | null = null;
  /** What the live view showed last, when its kernel had gone. */
  #seen: SavedSession | null = null;
  /** Its kernel is, or may be, there, or was when it was first shown: then it stays as it is when that goes. */
  #wasOpen = false;
  #failed: FailedView | null = null;
  readonly #bar: ExportBar;

  /** `openMenu` shows what the transcript with that id can be exported as. */
  constructor(kernel: KernelWatch, rendermime: IRenderMimeRegistry, openMenu: OpenMenu, label: string) {
    super();
    this.id = `rw-transcript-${UUID.uuid4()}`;
    this.#bar = new ExportBar(label, (button) => openMenu(this.id, button));
    this.#bar.hide();
    this.addWidget(this.#bar);
    this.addClass("rw-session");
    this.#kernel = kernel;
    this.#rendermime = rendermime;
    kernel.changed.connect(this.#update, this);
    kernel.displayed.connect(this.#displayed, this);
  }

  /** Called again whenever the output has changed. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.#model = model;
    this.#data = model.data;
    this.#read = null;
    try {
      this.#views ??= await loadView();
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#update();
  }

  /** What is shown; null where there is nothing yet. */
  get session(): SavedSession | null {
    const [views, saved] = [this.#views, this.#session];
    if (views === null || saved === null) return null;
    const live = this.#live?.store;
    const shown =
      live !== undefined && live.log.length > 0 ? views.sessionOf(live, saved.messageId) : together(this.#seen, saved);
    return shown.events.length > 0 ? shown : null;
  }

  get #session(): SavedSession | null {
    if (this.#model !== null) this.#read ??= this.#views?.readSession(this.#data[SESSION_MIME]) ?? null;
    return this.#read;
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#kernel.changed.disconnect(this.#update, this);
    this.#kernel.displayed.disconnect(this.#displayed, this);
    super.dispose();
  }

  #update(): void {
    const [views, model, session] = [this.#views, this.#model, this.#session];
    if (views === null || model === null || session === null || this.isDisposed) return;
    const store = this.#live?.store;
    if (store && store.connection === null && !store.disconnected) store.away(this.#kernel.away);
    this.#live?.enter();
    try {
      this.#show(views, model, session);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Whatever goes wrong, what else the notebook holds of the session can be read. */
  #fail(error: unknown): void {
    if (this.isDisposed) return;
    this.#failed?.dispose();
    this.#failed = new FailedView(this.#data, error);
    this.insertWidget(0, this.#failed);
    this.#saved?.dispose();
    this.#live?.dispose();
    [this.#saved, this.#live] = [null, null];
    this.node.dataset.mode = "failed";
  }

  #show(views: Views, model: IRenderMime.IMimeModel, saved: SavedSession): void {
    const id = modelIdOf(this.#data) ?? "";
    // What another person ran came to this page untrusted. But it names a widget of this notebook's own kernel, in which
    // whoever shares the notebook may run anything.
    const state = (model.trusted || this.#kernel.shared) && id ? this.#kernel.state(id) : "gone";
    this.#wasOpen ||= state !== "gone";
    this.node.dataset.finished = String(!this.#wasOpen);
    if (state === "open") {
      if (this.#live !== null) return;
      if (saved.events.length > 0) this.#showSaved(views, saved, false);
      this.#goLive(model, saved, id);
      this.#seen = null;
    } else {
      const known = this.#live?.store;
      if (known !== undefined && known.log.length > 0) this.#seen = views.sessionOf(known, saved.messageId);
      const shown = together(this.#seen, saved);
      if (shown.broken && TEXTS.some((type) => type in this.#data)) {
        if (this.#failed?.data !== this.#data) this.#fail(shown.notes.join(" ").replace(/\.$/, ""));
        return;
      }
      this.#showSaved(views, shown, state === "gone");
      this.#live?.dispose();
      this.#live = null;
    }
    this.#failed?.dispose();
    this.#failed = null;
    this.#mark();
  }

  /** Say what is shown, and offer it as a file. What is about one question of a chat has its menu in the palette alone. */
  #mark(): void {
    const mode = this.#saved === null ? "live" : "saved";
    this.node.dataset.mode = mode;
    const { messageId = null } = this.#session ?? {};
    this.#bar.setHidden(messageId !== null || (mode === "saved" && this.session === null));
  }

  /** Put what the kernel says should be kept into the output, if it says more. */
  #keep(store: ConnectedChat): void {
    const session = this.#session;
    const bundle = session && store.forms.get(session.messageId);
    if (bundle) this.#put(bundle as JSONObject, store.running());
  }

  /** A display has new data: this one, or another. JupyterLab's own update goes first, where it makes one. */
  #displayed(_: unknown, bundle: JSONObject): void {
    if (SESSION_MIME in bundle) setTimeout(() => this.#put(bundle, false));
  }

  #put(bundle: JSONObject, running: boolean): void {
    const [views, model, before] = [this.#views, this.#model, this.#session];
    if (views === null || model === null || before === null || this.isDisposed) return;
    if (!writesOutput(this.#kernel, this.#data)) return;
    const after = views.readSession(bundle[SESSION_MIME]);
    if (after.sessionId !== before.sessionId || after.messageId !== before.messageId) return;
    if (after.epoch === before.epoch && lastOf(after) <= lastOf(before) && !running) return;
    const data = renewed(this.#data, bundle) as JSONObject;
    if (JSON.stringify(data) !== JSON.stringify(this.#data)) model.setData({ data });
  }

  /** Whether what is saved lags behind what the store knows. */
  #isBehind(store: ConnectedChat): boolean {
    const session = this.#session;
    if (session === null) return false;
    const { messageId } = session;
    const { epoch, runs, last_seq } = store.transcript;
    const own = messageId === null ? runs : runs.filter((run) => run.message_id === messageId);
    if (own.some((run) => run.status === "running")) return true;
    return (messageId === null || own.length > 0) && (epoch !== session.epoch || last_seq > lastOf(session));
  }

  #showSaved(views: Views, session: SavedSession, over: boolean): void {
    const earlier = this.#saved;
    if (earlier?.isOf(session, over)) return;
    this.#saved = new SavedView(views, session, over, (error) => this.#fail(error));
    this.insertWidget(0, this.#saved);
    earlier?.dispose();
  }

  #goLive(model: IRenderMime.IMimeModel, session: SavedSession, id: string): void {
    const live = new LiveView(this.#rendermime.createRenderer(WIDGET_MIME), session, {
      isBehind: (store) => this.#isBehind(store),
      saveEvery: () => SAVE_EVERY * Math.max(1, written(this.#data["text/html"]).length / SMALL),
      keep: (store) => this.#keep(store),
      ranBy: () => ranBy(this.#data),
      page: () => (this.#kernel.away ? null : this.#kernel.page),
    });
    this.#live = live;
    live.setHidden(this.#saved !== null);
    this.insertWidget(this.widgets.length - 1, live);
    void live.draw(id, model.metadata).then(() => {
      if (live.isDisposed) return;
      live.show();
      this.#saved?.dispose();
      this.#saved = null;
      this.#mark();
    });
  }
}

type OpenMenu = (transcript: string, button: HTMLElement) => void;

/** The button below a transcript that offers it as a file. */
class ExportBar extends Widget {
  constructor(label: string, press: (button: HTMLElement) => void) {
    super();
    this.addClass("reasoning-widget");
    this.addClass("rw-export-bar");
    this.node.dataset.lmSuppressShortcuts = "true";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "rw-button rw-quiet";
    button.setAttribute("aria-haspopup", "menu");
    button.textContent = label;
    button.addEventListener("click", () => press(button));
    this.node.append(button);
  }
}

/** What is saved, drawn. */
class SavedView extends Widget {
  readonly #end: () => void;
  readonly #session: SavedSession;
  readonly #over: boolean;

  constructor(views: Views, session: SavedSession, over: boolean, failed: (error: unknown) => void) {
    super();
    this.#session = session;
    this.#over = over && isOpen(session);
    // Told later: it may be about the first that is drawn, here.
    const fail = (error: unknown): unknown => setTimeout(() => this.isDisposed || failed(error));
    this.#end = views.drawSaved(this.node, views.savedStore(session, over), session, fail);
  }

  /** Whether that session would look the same. */
  isOf(session: SavedSession, over: boolean): boolean {
    if (this.#over !== (over && isOpen(session))) return false;
    return session === this.#session || JSON.stringify(session) === JSON.stringify(this.#session);
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#end();
    super.dispose();
  }
}

const TEXTS = ["text/html", "text/plain"] as const;

/** A note that says why there are no cards, and the transcript as text. */
class FailedView extends Widget {
  readonly data: IRenderMime.IMimeModel["data"];

  constructor(data: IRenderMime.IMimeModel["data"], error: unknown) {
    super();
    this.data = data;
    const [note, text] = [document.createElement("div"), document.createElement("div")];
    this.node.append(note, text);
    note.setAttribute("role", "alert");
    note.style.padding = "4px 0"; // the styles may be what is missing
    const reason = error instanceof Error ? error.message : String(error);
    note.textContent = trans.__("The cards of this transcript cannot be drawn (%1). This is its text:", reason);
    const [html = "", plain = ""] = TEXTS.map((type) => written(data[type]));
    text.className = "jp-RenderedHTMLCommon";
    // JupyterLab's own renderer would fetch the pictures that whoever edited the file put into it.
    const formatted = html ? import("../../view/markdown/sanitize.ts") : Promise.reject();
    formatted.then(
      ({ sanitizeHtml }) => text.append(sanitizeHtml(html)),
      () => {
        text.style.whiteSpace = "pre-wrap";
        text.textContent = plain || trans.__("There is none.");
      },
    );
  }
}

/** A text as notebooks have it: whole, or its lines. */
function written(value: unknown): string {
  return Array.isArray(value) ? value.join("") : String(value ?? "");
}

/** Whether a run was on when it was saved. */
function isOpen({ events }: SavedSession): boolean {
  const count = (type: string): number => events.filter((event) => event.type === type).length;
  return count("run_started") > count("run_finished");
}

/** What was seen, with what the kernel has saved since. */
function together(seen: SavedSession | null, saved: SavedSession): SavedSession {
  if (seen === null || seen.epoch !== saved.epoch) return saved;
  const since = saved.events.filter(({ seq = 0 }) => seq > lastOf(seen));
  return { ...seen, events: [...seen.events, ...since] };
}

function lastOf(session: SavedSession): number {
  return session.events.at(-1)?.seq ?? 0;
}

interface Keeper {
  /** Whether what is saved lags behind what the store knows. */
  isBehind(store: ConnectedChat): boolean;
  /** How often it is renewed while a run is on, in ms. */
  saveEvery(): number;
  /** Put what the store was sent into its place. */
  keep(store: ConnectedChat): void;
  /** The page that ran the cell. */
  ranBy(): string | undefined;
  /** This page, where it shares the notebook with others and has a connection to the kernel. */
  page(): string | null;
}

/** The widget's own view. */
class LiveView extends Panel {
  readonly #renderer: IRenderMime.IRenderer;
  readonly #session: SavedSession;
  readonly #keeper: Keeper;
  #store: ConnectedChat | undefined;
  #stopListening: () => void;
  #ends: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What is timed is a look while a run is on. */
  #duringRun = false;
  #asked = 0;
  #entered: { store: ConnectedChat; page: string | null } | null = null;

  constructor(renderer: IRenderMime.IRenderer, session: SavedSession, keeper: Keeper) {
    super();
    this.#renderer = renderer;
    this.#session = session;
    this.#keeper = keeper;
    this.addWidget(renderer);
    // The widget forgets its store when its kernel is gone; what was seen is kept here.
    this.#stopListening = onChat(() => this.#look());
    this.#look();
  }

  /** The widget's store, as far as it is known. */
  get store(): ConnectedChat | undefined {
    return this.#store;
  }

  /** Tell the kernel that this page is there, once for each connection. */
  enter(): void {
    const page = this.#keeper.page();
    const here = this.#entered?.store === this.#store && this.#entered?.page === page;
    if (here || this.#store === undefined) return;
    this.#entered = { store: this.#store, page };
    if (page !== null) this.#store.enter(page);
  }

  /** Draw it; done when it shows all that is saved. */
  async draw(modelId: string, metadata: IRenderMime.IMimeModel["metadata"]): Promise<void> {
    const view = { version_major: 2, version_minor: 0, model_id: modelId };
    await this.#renderer.renderModel({ trusted: true, data: { [WIDGET_MIME]: view }, metadata, setData: () => {} });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => done(), PATIENCE);
      const look = (): void => {
        if (this.isDisposed || this.#caughtUp()) done();
      };
      const observer = new MutationObserver(look);
      observer.observe(this.node, { childList: true, subtree: true });
      const stopListening = onChat(look);
      const done = (): void => {
        clearTimeout(timer);
        observer.disconnect();
        stopListening();
        resolve();
      };
      look();
    });
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#stopListening();
    for (const end of this.#ends) end();
    clearTimeout(this.#timer);
    super.dispose();
  }

  #look(): void {
    const store = connectedChats().get(this.#session.sessionId) ?? this.#store;
    if (store === this.#store || store === undefined) return;
    for (const end of this.#ends) end();
    this.#store = store;
    this.enter();
    this.#ends = [
      store.on("chat", () => this.#watch(store)),
      store.on("composer", () => this.#watch(store)),
      store.on("forms", () => this.#keeper.keep(store)),
    ];
    this.#watch(store);
  }

  /** Ask for what should be saved: soon after a run has ended, and now and then while one is on. */
  #watch(store: ConnectedChat): void {
    const running = store.running();
    if (this.#timer !== undefined && (running || !this.#duringRun)) return;
    clearTimeout(this.#timer);
    this.#duringRun = running;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        if (store.running() && !running) return this.#watch(store); // one has just begun: nothing stalls its first words
        const last = store.transcript.last_seq;
        if ((store.running() || this.#asked < last) && this.#keeper.isBehind(store)) {
          store.save(this.#session.messageId, this.#keeper.ranBy());
        }
        this.#asked = last;
        if (store.running() || running) this.#watch(store);
      },
      running ? this.#keeper.saveEvery() : SAVE_AFTER,
    );
  }

  #caughtUp(): boolean {
    if (this.node.querySelector(".reasoning-widget") === null) return false;
    const { epoch } = this.#session;
    const transcript = this.#store?.transcript;
    const last = lastOf(this.#session);
    return last === 0 || (transcript !== undefined && (transcript.epoch !== epoch || transcript.last_seq >= last));
  }
}
