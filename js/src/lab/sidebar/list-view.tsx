// The view of the list of the server's sessions.

import { Time } from "@jupyterlab/coreutils";
import type { TranslationBundle } from "@jupyterlab/translation";
import type { Message } from "@lumino/messaging";
import { Widget } from "@lumino/widgets";
import { Fragment, render, type VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Button } from "../../view/button.tsx";
import { Refusal, type SessionInfo } from "./api.ts";
import { MenuButton } from "./chat-view.tsx";
import { Glyph } from "./glyphs.tsx";
import { useSignal } from "./hooks.ts";
import type { SessionList } from "./sessions.ts";
import "./sidebar.css";

/** How often the list is fetched while it is visible, in ms. */
export const REFRESH_EVERY = 5000;
/** The delay between the last key pressed in the search field and the search, in ms. */
const SEARCH_DELAY = 200;

/** The actions of the list. */
export interface ListActions {
  open: (id: string) => void;
  create: () => void;
  /** Show the menu of a session below `button`. */
  menu: (session: SessionInfo, button: HTMLElement) => void;
}

interface Props {
  list: SessionList;
  trans: TranslationBundle;
  actions: ListActions;
}

/** The view of the list of sessions. */
export class ListView extends Widget {
  readonly #props: Props;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(props: Props) {
    super();
    this.#props = props;
    this.node.classList.add("reasoning-widget", "rw-lab", "rw-lab-list");
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    render(<List {...this.#props} />, this.node);
    const refresh = (): void => {
      if (this.isVisible && document.visibilityState === "visible") void this.#props.list.refresh();
    };
    this.#timer = setInterval(refresh, REFRESH_EVERY);
    refresh();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this.#props.list.refresh();
  }

  protected override onBeforeDetach(message: Message): void {
    clearInterval(this.#timer);
    render(null, this.node);
    super.onBeforeDetach(message);
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this.node.querySelector<HTMLElement>("input")?.focus();
  }
}

function List({ list, trans, actions }: Props): VNode {
  useSignal(list.changed);
  return (
    <>
      <div class="rw-lab-head">
        <h2 class="rw-lab-title">{trans.__("Agent sessions")}</h2>
        <Button kind="quiet" label={trans.__("New session")} onPress={actions.create}>
          <Glyph name="add" />
          {trans.__("New")}
        </Button>
      </div>
      <Search list={list} trans={trans} />
      <Note list={list} trans={trans} />
      <ul class="rw-lab-sessions" aria-label={trans.__("Sessions")} onKeyDown={moveFocus}>
        {list.sessions.map((session) => (
          <Row
            key={session.id}
            session={session}
            shared={list.shared}
            query={list.query}
            trans={trans}
            actions={actions}
          />
        ))}
      </ul>
      {list.more && (
        <Button class="rw-lab-more" unavailable={list.loading} onPress={() => void list.loadMore()}>
          {trans.__("Show more")}
        </Button>
      )}
    </>
  );
}

function Search({ list, trans }: Pick<Props, "list" | "trans">): VNode {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <input
      type="search"
      class="rw-lab-search"
      aria-label={trans.__("Search in all sessions")}
      placeholder={trans.__("Search in all sessions")}
      defaultValue={list.query}
      onInput={({ currentTarget }) => {
        clearTimeout(timer.current);
        timer.current = setTimeout(() => void list.search(currentTarget.value.trim()), SEARCH_DELAY);
      }}
    />
  );
}

/** Explains why the list is empty. */
function Note({ list, trans }: Pick<Props, "list" | "trans">): VNode {
  const { error, known, query, sessions } = list;
  let text = "";
  if (error instanceof Refusal && error.status === 404) {
    text = trans.__(
      "This server keeps no sessions. Enable its extension: jupyter server extension enable reasoning_widget.server",
    );
  } else if (error) text = trans.__("The sessions cannot be listed: %1", error.message);
  else if (!known) text = trans.__("Loading …");
  else if (sessions.length === 0 && query) text = trans.__("No session contains “%1”.", query);
  else if (sessions.length === 0) text = trans.__("No sessions yet. Start one and ask an agent.");
  return (
    <div role="status" class={text ? "rw-lab-note" : "rw-unseen"}>
      {text}
    </div>
  );
}

interface RowProps {
  session: SessionInfo;
  /** Whether there are sessions of several users. */
  shared: boolean;
  query: string;
  trans: TranslationBundle;
  actions: ListActions;
}

function Row({ session, shared, query, trans, actions }: RowProps): VNode {
  const title = session.title ?? trans.__("Untitled session");
  const running = session.status === "running";
  const details = [
    shared && session.owner,
    session.agent_name,
    running ? trans.__("working") : Time.formatHuman(new Date(session.updated * 1000)),
    trans._n("%1 question", "%1 questions", session.messages),
  ];
  return (
    <li class="rw-lab-session" data-session-id={session.id} data-status={session.status ?? ""}>
      <button type="button" class="rw-lab-open" title={title} onClick={() => actions.open(session.id)}>
        <span class="rw-lab-name">
          {running && <span class="rw-pulse" />}
          {title}
        </span>
        {session.snippet && (
          <span class="rw-lab-snippet">
            <Found text={session.snippet} query={query} />
          </span>
        )}
        <span class="rw-lab-details">{details.filter(Boolean).join(" · ")}</span>
      </button>
      <MenuButton label={trans.__("Actions for %1", title)} open={(button) => actions.menu(session, button)} />
    </li>
  );
}

/** A text with the search terms highlighted. */
function Found({ text, query }: { text: string; query: string }): VNode {
  const words = query
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const parts = words.length === 0 ? [text] : text.split(new RegExp(`(${words.join("|")})`, "iu"));
  return (
    <>
      {parts.map((part, index) =>
        index % 2 === 0 ? (
          <Fragment key={index}>{part}</Fragment>
        ) : (
          <mark key={index} class="rw-lab-found">
            {part}
          </mark>
        ),
      )}
    </>
  );
}

/** Move the focus between sessions with the arrow keys. */
function moveFocus(event: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const list = event.currentTarget;
  if (step === undefined || !(list instanceof HTMLElement) || !(event.target instanceof Element)) return;
  const rows = [...list.querySelectorAll<HTMLElement>(".rw-lab-open")];
  const at = rows.findIndex((row) => row.closest("li")?.contains(event.target as Element));
  rows[at + step]?.focus();
  event.preventDefault();
}
