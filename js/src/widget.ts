// The core of `ReasoningChat`, fetched by loader.ts. The store lives as long as the model, longer than its views.

import { Store } from "./store/store.ts";
import { type CommModel, connect } from "./transport/comm.ts";
import { drawChat } from "./view/chat.tsx";

/** The interface of the widget for other widgets in the page, through anywidget's `host.getWidget`. */
export interface ChatExports {
  /** Draw one message and its run into `element`. Call the result to remove it. */
  drawRun(element: HTMLElement, messageId: string): () => void;
}

/** The function that starts a chat. */
export type Core = typeof widget;

/** Start a chat: the loader calls this once for each model. `style` is the style sheet of the views. */
export default function widget(style = "") {
  const store = new Store();
  const draw = (element: HTMLElement, messageId: string | null): (() => void) => {
    addStyle(element, style);
    return drawChat(element, store, messageId);
  };
  return {
    /** Must not wait: anywidget withholds the kernel's messages until it returns. `early` are those that arrived before. */
    initialize(given: { model: CommModel; signal: AbortSignal; early?: readonly unknown[] }): ChatExports {
      const { model, signal, early = [] } = given;
      const disconnect = connect(model, store, early);
      signal.addEventListener("abort", () => {
        disconnect();
        store.close();
      });
      return { drawRun: draw };
    },

    render: ({ el }: { el: HTMLElement }): (() => void) => draw(el, null),
  };
}

/** Apply `style` to the page or shadow tree that contains `element`, once for each version of the style. */
function addStyle(element: HTMLElement, style: string): void {
  const root = element.getRootNode();
  const place = root instanceof ShadowRoot ? root : document.head;
  const sheets = [...place.querySelectorAll("style[data-reasoning-widget]")];
  if (!style || sheets.some(({ textContent }) => textContent === style)) return;
  const sheet = document.createElement("style");
  sheet.dataset.reasoningWidget = "";
  sheet.textContent = style;
  place.append(sheet);
}
