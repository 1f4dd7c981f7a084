// Whether the comm of a widget is open: combines the signals of a notebook's kernel into one.

import type { ISessionContext } from "@jupyterlab/apputils";
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import type { JSONObject } from "@lumino/coreutils";
import type { IDisposable } from "@lumino/disposable";
import { Signal } from "@lumino/signaling";

/** Changes of comms within this time, in ms, emit a single signal. */
const DEBOUNCE = 20;

/**
 * The state of a comm: `open`; `gone` if there is no kernel or it does not know the comm; `unknown` while the notebook is
 * starting, or until the kernel has listed its comms, which after a reload it does not do while a cell runs.
 */
export type CommState = "open" | "gone" | "unknown";

/** Watches the current kernel of a notebook. */
export class KernelWatch implements IDisposable {
  /** Emitted when the state of a comm may have changed. */
  readonly changed = new Signal<this, void>(this);
  /** Emitted with new data of a display from the kernel, also if JupyterLab ignores it. */
  readonly displayed = new Signal<this, JSONObject>(this);
  /** Whether other pages may edit the same document, as with jupyter-collaboration. */
  readonly shared: boolean;
  isDisposed = false;
  readonly #context: ISessionContext;
  readonly #kernels: Kernel.IManager;
  #kernel: Kernel.IKernelConnection | null = null;
  /** Whether the kernel has listed its comms. */
  #commsListed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(context: ISessionContext, kernels: Kernel.IManager, shared: boolean) {
    this.shared = shared;
    this.#context = context;
    this.#kernels = kernels;
    context.kernelChanged.connect(this.#follow, this);
    context.sessionChanged.connect(this.#follow, this);
    void context.ready.then(() => this.#emit());
    this.#follow();
  }

  /** The state of a comm. */
  state(commId: string): CommState {
    const kernel = this.#kernel;
    if (kernel === null && !this.#context.isReady) return "unknown"; // it may be starting
    if (kernel === null || kernel.isDisposed || kernel.connectionStatus === "disconnected") return "gone";
    if (["dead", "terminating", "restarting", "autorestarting"].includes(kernel.status)) return "gone";
    if (kernel.hasComm(commId)) return "open";
    return this.#commsListed ? "gone" : "unknown";
  }

  /** The id of this page among those that share the document; null if it is not shared, or without a kernel. */
  get page(): string | null {
    return this.shared ? (this.#kernel?.clientId ?? null) : null;
  }

  /** Whether the connection to the kernel is broken and being restored. */
  get away(): boolean {
    return this.#kernel !== null && !this.#kernel.isDisposed && this.#kernel.connectionStatus === "connecting";
  }

  dispose(): void {
    this.isDisposed = true;
    clearTimeout(this.#timer);
    this.#leave();
    Signal.clearData(this);
  }

  #follow(): void {
    const kernel = this.#context.session?.kernel ?? null;
    if (kernel === this.#kernel) return;
    this.#leave();
    this.#kernel = kernel;
    this.#commsListed = false;
    kernel?.anyMessage.connect(this.#onMessage, this);
    kernel?.statusChanged.connect(this.#emit, this);
    kernel?.connectionStatusChanged.connect(this.#onConnectionStatus, this);
    kernel?.disposed.connect(this.#emit, this);
    this.#emit();
  }

  #leave(): void {
    const kernel = this.#kernel;
    kernel?.anyMessage.disconnect(this.#onMessage, this);
    kernel?.statusChanged.disconnect(this.#emit, this);
    kernel?.connectionStatusChanged.disconnect(this.#onConnectionStatus, this);
    kernel?.disposed.disconnect(this.#emit, this);
  }

  #onConnectionStatus(_: unknown, status: Kernel.ConnectionStatus): void {
    // JupyterLab notices a deleted kernel only at its next poll, after up to 10 s: poll now.
    if (status === "connecting") this.#kernels.refreshRunning().catch(() => {});
    this.#emit();
  }

  #onMessage(_: unknown, { direction, msg }: { direction: string; msg: KernelMessage.IMessage }): void {
    const { msg_type: type } = msg.header;
    if (direction !== "recv") return;
    if (type === "update_display_data") {
      this.displayed.emit((msg as KernelMessage.IUpdateDisplayDataMsg).content.data as JSONObject);
    }
    if (!type.startsWith("comm_")) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#emit();
    }, DEBOUNCE);
    if (type === "comm_info_reply") this.#commsListed = true;
  }

  #emit(): void {
    if (!this.isDisposed) this.changed.emit();
  }
}
