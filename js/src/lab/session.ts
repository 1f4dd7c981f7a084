// One output that holds a session: the live widget where its kernel can be talked to, else what is saved. It goes from
// one to the other without a gap: the next view is drawn, and has caught up, before the earlier one is taken away.

import type { IRenderMime, IRenderMimeRegistry } from "@jupyterlab/rendermime";
import { Panel, Widget } from "@lumino/widgets";
import { connectedChats, onChat } from "../page.ts";
import { SESSION_MIME } from "../protocol/frames.ts";
import type { Store } from "../store.ts";
import type { SavedSession } from "../transport/saved.ts";
import type { KernelWatch } from "./kernel.ts";
import { loadView } from "./lazy.ts";

const WIDGET_MIME = "application/vnd.jupyter.widget-view+json";
/** A widget of another version may never say that it has caught up: it is shown after so many ms. */
const PATIENCE = 3000;

type Views = typeof import("./view.ts");

export class SessionRenderer extends Panel implements IRenderMime.IRenderer {
  readonly #kernel: KernelWatch;
  readonly #rendermime: IRenderMimeRegistry;
  #views: Views | null = null;
  #model: IRenderMime.IMimeModel | null = null;
  #saved: SavedView | null = null;
  #live: LiveView | null = null;

  constructor(kernel: KernelWatch, rendermime: IRenderMimeRegistry) {
    super();
    this.addClass("rw-session");
    this.#kernel = kernel;
    this.#rendermime = rendermime;
    kernel.changed.connect(this.#update, this);
  }

  /** Called again whenever the output has changed. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.#model = model;
    this.#views ??= await loadView();
    this.#update();
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#kernel.changed.disconnect(this.#update, this);
    super.dispose();
  }

  #update(): void {
    const [views, model] = [this.#views, this.#model];
    if (views === null || model === null || this.isDisposed) return;
    const { model_id: id = "" } = (model.data[WIDGET_MIME] ?? {}) as { model_id?: string };
    const state = model.trusted && id ? this.#kernel.state(id) : "gone";
    if (state === "open") {
      if (this.#live !== null) return;
      const session = views.readSession(model.data[SESSION_MIME]);
      if (session.events.length > 0) this.#showSaved(views, session, false);
      this.#goLive(model, session);
    } else {
      const known = this.#live?.store;
      const session =
        known === undefined || known.log.length === 0
          ? views.readSession(model.data[SESSION_MIME])
          : views.sessionOf(known, views.readSession(model.data[SESSION_MIME]).messageId);
      this.#showSaved(views, session, state === "gone");
      this.#live?.dispose();
      this.#live = null;
    }
    this.node.dataset.mode = this.#saved === null ? "live" : "saved";
  }

  #showSaved(views: Views, session: SavedSession, over: boolean): void {
    const earlier = this.#saved;
    const drawn = JSON.stringify([session, over]);
    if (earlier?.drawn === drawn) return;
    this.#saved = new SavedView(views, session, over, drawn);
    this.insertWidget(0, this.#saved);
    earlier?.dispose();
  }

  #goLive(model: IRenderMime.IMimeModel, session: SavedSession): void {
    const live = new LiveView(this.#rendermime.createRenderer(WIDGET_MIME), session);
    this.#live = live;
    live.setHidden(this.#saved !== null);
    this.addWidget(live);
    void live.draw(model).then(() => {
      if (live.isDisposed) return;
      live.show();
      this.#saved?.dispose();
      this.#saved = null;
      this.node.dataset.mode = "live";
    });
  }
}

/** What is saved, drawn. */
class SavedView extends Widget {
  readonly #end: () => void;

  /** `drawn` tells whether another one would look the same. */
  constructor(
    views: Views,
    session: SavedSession,
    over: boolean,
    readonly drawn: string,
  ) {
    super();
    this.#end = views.drawSaved(this.node, views.savedStore(session, over), session);
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#end();
    super.dispose();
  }
}

/** The widget's own view. */
class LiveView extends Panel {
  readonly #renderer: IRenderMime.IRenderer;
  readonly #session: SavedSession;
  #store: Store | undefined;
  #stopListening: () => void;

  constructor(renderer: IRenderMime.IRenderer, session: SavedSession) {
    super();
    this.#renderer = renderer;
    this.#session = session;
    this.addWidget(renderer);
    // The widget forgets its store when its kernel is gone; what was seen is kept here.
    this.#stopListening = onChat(() => this.#look());
    this.#look();
  }

  /** The widget's store, as far as it is known. */
  get store(): Store | undefined {
    return this.#store;
  }

  /** Draw it; done when it shows all that is saved. */
  async draw({ data, metadata }: IRenderMime.IMimeModel): Promise<void> {
    // A copy: the widgets' renderer writes into what it was given when the widget is gone.
    const view = { ...(data[WIDGET_MIME] as object) };
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
    super.dispose();
  }

  #look(): void {
    this.#store = connectedChats().get(this.#session.sessionId) ?? this.#store;
  }

  #caughtUp(): boolean {
    if (this.node.querySelector(".reasoning-widget") === null) return false;
    const { events, epoch } = this.#session;
    const transcript = this.#store?.transcript;
    const last = events.at(-1)?.seq ?? 0;
    return last === 0 || (transcript !== undefined && (transcript.epoch !== epoch || transcript.last_seq >= last));
  }
}
