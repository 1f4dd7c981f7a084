// An output with a session: the live widget while its kernel can be reached, otherwise the saved session. The next view is
// drawn, and has caught up, before the previous one is removed.
//
// Only the kernel makes what is saved, because it masks secrets. JupyterLab ignores updates of an output after the kernel
// restarts or the page is reloaded, so the page requests them and puts them into the output itself. If several pages share
// the notebook, one of them does this: see writer.ts.

import type { IRenderMime, IRenderMimeRegistry } from "@jupyterlab/rendermime";
import { type JSONObject, UUID } from "@lumino/coreutils";
import { Panel } from "@lumino/widgets";
import { SESSION_MIME } from "../../protocol/frames.ts";
import type { ConnectedChat } from "../../store/chats.ts";
import type { SavedSession } from "../../store/snapshot.ts";
import { loadView } from "../lazy.ts";
import type { KernelWatch } from "./kernel.ts";
import { LiveView } from "./live-view.ts";
import { modelIdOf, ranBy, updated, WIDGET_MIME } from "./live-views.ts";
import { ExportBar, FailedView, lastSeq, SavedView, TEXTS, written } from "./saved-view.ts";
import { writesOutput } from "./writer.ts";

/** The interval between saves during a run, in ms: at most this much is lost with the kernel. */
const SAVE_EVERY = 5000;
/** A save sends the whole transcript, so the interval grows with the multiples of this many characters of HTML. */
const SMALL = 50_000;
type Views = typeof import("../view.ts");
type OpenMenu = (transcript: string, button: HTMLElement) => void;

/** Renders an output with a session. */
export class SessionRenderer extends Panel implements IRenderMime.IRenderer {
  readonly #kernel: KernelWatch;
  readonly #rendermime: IRenderMimeRegistry;
  #views: Views | null = null;
  #model: IRenderMime.IMimeModel | null = null;
  /** The data of the model, read once because an output's model copies it each time. */
  #data: IRenderMime.IMimeModel["data"] = {};
  /** The parsed session of that data. */
  #read: SavedSession | null = null;
  #saved: SavedView | null = null;
  #live: LiveView | null = null;
  /** What the live view showed when its kernel went away. */
  #seen: SavedSession | null = null;
  /** Whether the kernel has ever been reachable: if so, the height of the view stays as it is without it. */
  #wasOpen = false;
  #failed: FailedView | null = null;
  readonly #bar: ExportBar;

  /** `openMenu` opens the export menu of the transcript with the given id. */
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

  /** Called by JupyterLab whenever the output has changed. */
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

  /** The session as it is shown; null if there is nothing yet. */
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

  /** Show the text of the transcript instead, with the reason. */
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
    // Outputs of another person's run arrive untrusted. But they name a widget of this notebook's own kernel, in which
    // everyone who shares the notebook may run anything.
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

  /** Record what is shown, and offer to export it. The output of a single prompt is exported from the command palette only. */
  #mark(): void {
    const mode = this.#saved === null ? "live" : "saved";
    this.node.dataset.mode = mode;
    const { messageId = null } = this.#session ?? {};
    this.#bar.setHidden(messageId !== null || (mode === "saved" && this.session === null));
  }

  /** Put the bundle that the kernel wants to be saved into the output, if it is newer. */
  #save(store: ConnectedChat): void {
    const session = this.#session;
    const bundle = session && store.bundles.get(session.messageId);
    if (bundle) this.#put(bundle as JSONObject, store.running());
  }

  /** A display, of this output or another, has new data. JupyterLab's own update, if any, goes first. */
  #displayed(_: unknown, bundle: JSONObject): void {
    if (SESSION_MIME in bundle) setTimeout(() => this.#put(bundle, false));
  }

  #put(bundle: JSONObject, running: boolean): void {
    const [views, model, before] = [this.#views, this.#model, this.#session];
    if (views === null || model === null || before === null || this.isDisposed) return;
    if (!writesOutput(this.#kernel, this.#data)) return;
    const after = views.readSession(bundle[SESSION_MIME]);
    if (after.sessionId !== before.sessionId || after.messageId !== before.messageId) return;
    if (after.epoch === before.epoch && lastSeq(after) <= lastSeq(before) && !running) return;
    const data = updated(this.#data, bundle) as JSONObject;
    if (JSON.stringify(data) !== JSON.stringify(this.#data)) model.setData({ data });
  }

  /** Whether the saved session lacks something that the chat shows. */
  #isBehind(store: ConnectedChat): boolean {
    const session = this.#session;
    if (session === null) return false;
    const { messageId } = session;
    const { epoch, runs, last_seq } = store.transcript;
    const own = messageId === null ? runs : runs.filter((run) => run.message_id === messageId);
    if (own.some((run) => run.status === "running")) return true;
    return (messageId === null || own.length > 0) && (epoch !== session.epoch || last_seq > lastSeq(session));
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
      save: (store) => this.#save(store),
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

/** The session that was shown, with what the kernel has saved since. */
function together(seen: SavedSession | null, saved: SavedSession): SavedSession {
  if (seen === null || seen.epoch !== saved.epoch) return saved;
  const since = saved.events.filter(({ seq = 0 }) => seq > lastSeq(seen));
  return { ...seen, events: [...seen.events, ...since] };
}
