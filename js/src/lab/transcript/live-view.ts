// The widget's own view of a chat in an output. While it is shown, it requests what the notebook should save.

import type { IRenderMime } from "@jupyterlab/rendermime";
import { Panel } from "@lumino/widgets";
import { type ConnectedChat, connectedChats, onChat } from "../../store/chats.ts";
import type { SavedSession } from "../../store/snapshot.ts";
import { WIDGET_MIME } from "./live-views.ts";
import { lastSeq } from "./saved-view.ts";

/** The view is shown after this time, in ms, even if it has not caught up: a widget of another version may never say so. */
const MAX_WAIT = 3000;
/** The delay before a request to save after a run, in ms: the kernel usually sends its own update first. */
const SAVE_AFTER = 1000;

/** The renderer, as the live view uses it. */
interface Saver {
  /** Whether the saved session lacks something that the chat shows. */
  isBehind(store: ConnectedChat): boolean;
  /** The interval between saves during a run, in ms. */
  saveEvery(): number;
  /** Put the bundle that the kernel has sent into the output. */
  save(store: ConnectedChat): void;
  /** The page that ran the cell. */
  ranBy(): string | undefined;
  /** This page, if it shares the notebook with others and is connected to the kernel. */
  page(): string | null;
}

/** The widget's own view. */
export class LiveView extends Panel {
  readonly #renderer: IRenderMime.IRenderer;
  readonly #session: SavedSession;
  readonly #saver: Saver;
  #store: ConnectedChat | undefined;
  #stopListening: () => void;
  #ends: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the timer was set during a run. */
  #duringRun = false;
  #asked = 0;
  #entered: { store: ConnectedChat; page: string | null } | null = null;

  constructor(renderer: IRenderMime.IRenderer, session: SavedSession, saver: Saver) {
    super();
    this.#renderer = renderer;
    this.#session = session;
    this.#saver = saver;
    this.addWidget(renderer);
    // The widget drops its store when its kernel is gone; the last one is kept here.
    this.#stopListening = onChat(() => this.#connect());
    this.#connect();
  }

  /** The widget's store, once it is connected. */
  get store(): ConnectedChat | undefined {
    return this.#store;
  }

  /** Join the pages that share the notebook, once for each connection. */
  enter(): void {
    const page = this.#saver.page();
    const here = this.#entered?.store === this.#store && this.#entered?.page === page;
    if (here || this.#store === undefined) return;
    this.#entered = { store: this.#store, page };
    if (page !== null) this.#store.enter(page);
  }

  /** Draw the widget; resolves when it shows everything that is saved. */
  async draw(modelId: string, metadata: IRenderMime.IMimeModel["metadata"]): Promise<void> {
    const view = { version_major: 2, version_minor: 0, model_id: modelId };
    await this.#renderer.renderModel({ trusted: true, data: { [WIDGET_MIME]: view }, metadata, setData: () => {} });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => done(), MAX_WAIT);
      const check = (): void => {
        if (this.isDisposed || this.#caughtUp()) done();
      };
      const observer = new MutationObserver(check);
      observer.observe(this.node, { childList: true, subtree: true });
      const stopListening = onChat(check);
      const done = (): void => {
        clearTimeout(timer);
        observer.disconnect();
        stopListening();
        resolve();
      };
      check();
    });
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#stopListening();
    for (const end of this.#ends) end();
    clearTimeout(this.#timer);
    super.dispose();
  }

  #connect(): void {
    const store = connectedChats().get(this.#session.sessionId) ?? this.#store;
    if (store === this.#store || store === undefined) return;
    for (const end of this.#ends) end();
    this.#store = store;
    this.enter();
    this.#ends = [
      store.on("chat", () => this.#watch(store)),
      store.on("composer", () => this.#watch(store)),
      store.on("bundles", () => this.#saver.save(store)),
    ];
    this.#watch(store);
  }

  /** Request what should be saved: soon after a run, and at intervals during one. */
  #watch(store: ConnectedChat): void {
    const running = store.running();
    if (this.#timer !== undefined && (running || !this.#duringRun)) return;
    clearTimeout(this.#timer);
    this.#duringRun = running;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        if (store.running() && !running) return this.#watch(store); // do not delay the beginning of a new run
        const last = store.transcript.last_seq;
        if ((store.running() || this.#asked < last) && this.#saver.isBehind(store)) {
          store.save(this.#session.messageId, this.#saver.ranBy());
        }
        this.#asked = last;
        if (store.running() || running) this.#watch(store);
      },
      running ? this.#saver.saveEvery() : SAVE_AFTER,
    );
  }

  #caughtUp(): boolean {
    if (this.node.querySelector(".reasoning-widget") === null) return false;
    const { epoch } = this.#session;
    const transcript = this.#store?.transcript;
    const last = lastSeq(this.#session);
    return last === 0 || (transcript !== undefined && (transcript.epoch !== epoch || transcript.last_seq >= last));
  }
}
