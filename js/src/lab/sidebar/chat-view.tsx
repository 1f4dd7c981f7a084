// A conversation in the sidebar or in a tab: the views of the widget below a title bar.

import type { TranslationBundle } from "@jupyterlab/translation";
import type { Message } from "@lumino/messaging";
import { Widget } from "@lumino/widgets";
import { render, type VNode } from "preact";
import { Button } from "../../view/button.tsx";
import { drawChat } from "../../view/chat.tsx";
import { attachedTo, PromptWithCells } from "./attached.tsx";
import type { Conversation } from "./conversations.ts";
import { Glyph } from "./glyphs.tsx";
import { useSignal } from "./hooks.ts";
import "./sidebar.css";

/** The actions in the title bar of a conversation. */
export interface ChatActions {
  /** Return to the list; null if there is none. */
  back: (() => void) | null;
  /** Open it in a tab; null if it is in one, or there are no tabs. */
  openTab: (() => void) | null;
  /** Show the menu of the session below `button`. */
  menu: (button: HTMLElement) => void;
}

/** The view of one conversation, in the sidebar or in a tab. */
export class ChatView extends Widget {
  readonly conversation: Conversation;
  readonly #trans: TranslationBundle;
  readonly #actions: ChatActions;
  readonly #head = document.createElement("div");
  readonly #body = document.createElement("div");
  #end: () => void = () => {};

  constructor(conversation: Conversation, trans: TranslationBundle, actions: ChatActions) {
    super();
    this.conversation = conversation;
    this.#trans = trans;
    this.#actions = actions;
    this.node.classList.add("reasoning-widget", "rw-lab", "rw-lab-chat");
    this.node.dataset.sessionId = conversation.id; // read by the context menu
    this.#body.className = "rw-lab-body";
    this.node.append(this.#head, this.#body);
    const { extras } = conversation.store;
    extras.Attached ??= attachedTo(conversation);
    extras.Prompt ??= PromptWithCells;
  }

  /** Focus the message field. */
  focus(): void {
    this.node.querySelector<HTMLElement>("textarea")?.focus();
  }

  // A view that is moved is drawn again: all its state is in the store.
  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    render(<Head conversation={this.conversation} trans={this.#trans} actions={this.#actions} />, this.#head);
    this.#end = drawChat(this.#body, this.conversation.store);
  }

  protected override onBeforeDetach(message: Message): void {
    this.#end();
    render(null, this.#head);
    super.onBeforeDetach(message);
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this.focus();
  }
}

interface HeadProps {
  conversation: Conversation;
  trans: TranslationBundle;
  actions: ChatActions;
}

function Head({ conversation, trans, actions }: HeadProps): VNode {
  useSignal(conversation.changed);
  const title = conversation.progress.title ?? trans.__("New session");
  const { back, openTab, menu } = actions;
  return (
    <div class="rw-lab-head">
      {back && (
        <Button
          kind="quiet"
          class="rw-lab-icon"
          label={trans.__("All sessions")}
          title={trans.__("All sessions")}
          onPress={back}
        >
          <Glyph name="back" />
        </Button>
      )}
      <h2 class="rw-lab-title" title={title}>
        {title}
      </h2>
      {openTab && (
        <Button
          kind="quiet"
          class="rw-lab-icon"
          label={trans.__("Open in a tab")}
          title={trans.__("Open in a tab")}
          onPress={openTab}
        >
          <Glyph name="tab" />
        </Button>
      )}
      <MenuButton label={trans.__("Actions for %1", title)} open={menu} />
    </div>
  );
}

/** A button that opens a menu. */
export function MenuButton({ label, open }: { label: string; open: (button: HTMLElement) => void }): VNode {
  return (
    <button
      type="button"
      class="rw-button rw-quiet rw-lab-icon"
      aria-haspopup="menu"
      aria-label={label}
      title={label}
      onClick={(event) => open(event.currentTarget)}
    >
      <Glyph name="more" />
    </button>
  );
}
