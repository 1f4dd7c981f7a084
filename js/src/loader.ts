// The anywidget module of every chat: it loads the core once per page, and starts the chat with it. Each chat has its own
// copy of this module, also in notebook files, so it must stay tiny.
//
// The core is in the state of a hidden model that all chats of a kernel share, so it arrives with the chat even while a cell
// keeps the kernel busy. If the page has no access to that model, it requests the core from the kernel in a message.

import { referredModel, type Model as WidgetModel } from "./compat/hidden-model.ts";
import type { ChatExports, Core } from "./widget.ts";

interface Source {
  source: string;
  style: string;
}

interface Model extends WidgetModel {
  send(content: unknown): void;
  on(event: string, listener: (content: KernelMessage) => void): void;
  off(event: string, listener: (content: KernelMessage) => void): void;
}

type KernelMessage = { type?: string; data?: unknown } | null;
type Live = { core: ReturnType<Core>; exports: ChatExports };

/** How long to wait for the hidden model before requesting the core from the kernel, in ms. */
const PATIENCE = 1000;

type Loaded = { core: Core; style: string };

/** The cores of this page, by version: its chats may belong to kernels with different versions. */
function cores(): Record<string, Promise<Loaded>> {
  const shared = globalThis as unknown as Record<symbol, { cores?: Record<string, Promise<Loaded>> }>;
  const key = Symbol.for("reasoning-widget");
  shared[key] ??= {};
  shared[key].cores ??= {};
  return shared[key].cores;
}

async function load({ source, style }: Source): Promise<Loaded> {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const module = (await import(/* @vite-ignore */ url)) as { default: Core };
  URL.revokeObjectURL(url);
  return { core: module.default, style };
}

/** anywidget calls this once for each model. */
export default () => {
  let live: Promise<Live>;
  /** Draw into `element` as soon as the core is loaded. Call the result to remove it. */
  const draw = (element: HTMLElement, begin: (live: Live) => () => void): (() => void) => {
    let end: (() => void) | undefined;
    let over = false;
    live.then(
      (those) => {
        if (!over) end = begin(those);
      },
      (error: unknown) => {
        if (!over) element.textContent = `This chat cannot be drawn: ${error}`;
      },
    );
    return () => {
      over = true;
      end?.();
    };
  };
  return {
    /** Must not wait: anywidget withholds the kernel's messages until it returns. */
    initialize({ model, signal }: { model: Model; signal: AbortSignal }): ChatExports {
      const early: KernelMessage[] = [];
      let answer = (_: Source): void => {};
      const receive = (content: KernelMessage): void => {
        if (content?.type === "core") answer(content.data as Source);
        else early.push(content);
      };
      model.on("msg:custom", receive);
      const find = (): Promise<Source> =>
        new Promise((resolve) => {
          answer = resolve;
          const ask = (): void => model.send({ type: "core", payload: {} });
          const late = setTimeout(ask, PATIENCE);
          referredModel(model, "_core")
            .then((hidden) => {
              const [source, style] = [hidden?.get("source"), hidden?.get("style")] as [string, string];
              if (!source) throw hidden;
              resolve({ source, style });
            })
            .catch(ask)
            .finally(() => clearTimeout(late));
        });
      // Shared only once it is found: another kernel of the same version may find it sooner.
      const version = String(model.get("_core_version"));
      const found =
        cores()[version] ??
        find().then((source) => {
          cores()[version] ??= load(source).catch((error: unknown) => {
            delete cores()[version]; // so that the next chat tries again
            throw error;
          });
          return cores()[version] as Promise<Loaded>;
        });
      live = found.then(({ core, style }) => {
        signal.throwIfAborted();
        model.off("msg:custom", receive);
        const own = core(style);
        return { core: own, exports: own.initialize({ model, signal, early }) };
      });
      return { drawRun: (element, messageId) => draw(element, ({ exports }) => exports.drawRun(element, messageId)) };
    },

    render: ({ el }: { el: HTMLElement }): (() => void) => draw(el, ({ core }) => core.render({ el })),
  };
};
