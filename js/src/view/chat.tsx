import { render, type VNode } from "preact";
import { useEffect, useErrorBoundary, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { findRun, type Message, type Step } from "../protocol/fold.ts";
import { attachmentsOfMessage, textOfMessage } from "../store/attachments.ts";
import type { Store } from "../store/store.ts";
import { trans } from "../translation.ts";
import { Announcer } from "./announcer.tsx";
import { SentAttachments } from "./attachments.tsx";
import { AuthorName, authorOf } from "./author.tsx";
import { Button } from "./button.tsx";
import { Composer } from "./composer.tsx";
import { StoreContext, useStore } from "./context.ts";
import { copySource } from "./copy-selection.ts";
import { keepFocus } from "./focus.ts";
import { type Follower, followEnd } from "./follow.ts";
import { limitHeight } from "./height-limit.ts";
import { Icon } from "./icons.tsx";
import { LateNote } from "./late-note.tsx";
import { lastOf, useProgressive } from "./progressive.ts";
import { Queue } from "./queue.tsx";
import { Refusals } from "./refusals.tsx";
import { RunView } from "./run.tsx";
import { followTheme } from "./theme.ts";
import { Timeline } from "./timeline.tsx";
import "./root.css";
import "./chat.css";

/**
 * Draw the chat of `store` into `element`, or only one message and its run. Call the result to remove it. If it cannot be
 * drawn, now or later, a note says so, and `failed` is called.
 */
export function drawChat(
  element: HTMLElement,
  store: Store,
  messageId: string | null = null,
  failed?: (error: unknown) => void,
): () => void {
  const root = document.createElement("div");
  root.className = "reasoning-widget";
  // JupyterLab: keys pressed here must not be shortcuts of the notebook, except the one that saves it.
  root.dataset.lmSuppressShortcuts = "true";
  for (const type of ["keydown", "keypress", "keyup"]) root.addEventListener(type, (event) => event.stopPropagation());
  root.addEventListener("keydown", (event) => {
    const saves = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s";
    if (saves && !element.dispatchEvent(new KeyboardEvent("keydown", event))) event.preventDefault();
  });
  copySource(root);
  keepFocus(root, store);
  const stopFollowing = followTheme(root);
  element.append(root);
  render(
    <StoreContext.Provider value={store}>
      <Chat messageId={messageId} failed={failed} />
    </StoreContext.Provider>,
    root,
  );
  const end = (): void => {
    stopChecking();
    stopFollowing();
    render(null, root);
    root.remove();
  };
  const stopChecking = whenReplaced(element, store, end);
  return end;
}

/**
 * Call `end` when `element` is removed from its parent, until the returned function is called. JupyterLab draws a new view
 * when the saved output of a cell changes, without notifying the old one, which would be updated for ever. (A cell that is
 * scrolled out of view is removed as a whole, so its `element` keeps its parent.)
 */
function whenReplaced(element: HTMLElement, store: Store, end: () => void): () => void {
  let placed = false;
  const check = (): void => {
    if (element.parentNode !== null) placed = true;
    else if (placed) end();
  };
  const frame = requestAnimationFrame(check);
  const stopListening = store.on("composer", check); // the topic that changes most often
  return () => {
    cancelAnimationFrame(frame);
    stopListening();
  };
}

interface ChatProps {
  messageId: string | null;
  failed: ((error: unknown) => void) | undefined;
}

function Chat({ messageId, failed }: ChatProps): VNode {
  const [error] = useErrorBoundary(failed);
  const store = useStore("composer", "chat");
  const run = messageId === null ? null : store.transcript.runs.findLast((other) => other.message_id === messageId);
  const agent = run?.agent_name ?? (store.composer.agent || store.transcript.runs.at(-1)?.agent_name);
  const running = run?.status === "running" ? run.run_id : null;
  const { epoch } = store.transcript; // the reader's position belongs to it
  // Memoized: a key pressed in the composer must not draw the conversation again.
  const content = useMemo(
    () => (
      <>
        <Timeline messageId={messageId} />
        {messageId === null ? <Conversation key={epoch} /> : <Run key={epoch} messageId={messageId} />}
        <Announcer />
        {messageId === null && !store.saved && <Composer />}
        {running !== null && !store.saved && <StopRun runId={running} />}
      </>
    ),
    [messageId, running, epoch],
  );
  if (error) return <div role="alert">{trans.__("This chat cannot be drawn: %1", String(error))}</div>;
  return (
    <section class="rw-chat" aria-label={agent ? trans.__("Chat with %1", agent) : trans.__("Chat")}>
      {content}
    </section>
  );
}

/** A single run, which scrolls with the page like any other output. */
function Run({ messageId }: { messageId: string }): VNode {
  return (
    <div class="rw-turns">
      <Turns messageId={messageId} />
    </div>
  );
}

/** A conversation, which scrolls by itself so that the composer below it stays in place. */
function Conversation(): VNode {
  const store = useStore();
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const follower = useRef<Follower | null>(null);
  const [away, setAway] = useState(store.reader.scrollTop !== null);
  useLayoutEffect(() => {
    if (!scroller.current || !content.current) return;
    const made = followEnd(scroller.current, content.current, store.reader, setAway);
    follower.current = made;
    const chat = scroller.current.closest<HTMLElement>(".rw-chat");
    const release = chat === null || store.saved ? undefined : limitHeight(chat);
    return () => {
      made.close();
      release?.();
    };
  }, [store]);
  useEffect(() => store.on("sent", () => follower.current?.follow()), [store]);
  return (
    <div class="rw-conversation">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must be able to scroll it */}
      <section class="rw-scroller" ref={scroller} tabIndex={0} aria-label={trans.__("Conversation")}>
        <div class="rw-turns" ref={content}>
          <Turns messageId={null} />
        </div>
      </section>
      {away && (
        <Button class="rw-jump" onPress={() => follower.current?.follow()}>
          <Icon name="down" />
          {trans.__("Jump to latest")}
        </Button>
      )}
    </div>
  );
}

/** The number of prompts, with their runs, that are drawn at once; the others follow one by one. */
const INITIAL_TURNS = 2;
/** A conversation with more runs is laid out only where it is visible. */
const LONG_CONVERSATION = 20;

function Turns({ messageId }: { messageId: string | null }): VNode {
  const store = useStore("chat");
  const { messages, runs, other } = store.transcript;
  const wanted = messages.filter((message) => messageId === null || message.id === messageId);
  const started = wanted.filter(
    (message) => message.run_id !== null && !message.steered && isFound(store, message, message.run_id),
  );
  const shown = useProgressive(started.length, INITIAL_TURNS, 1);
  const known = new Set(messages.map((message) => message.id));
  const orphans = runs.filter(({ message_id: id }) => !known.has(id) && (messageId ?? id) === id);
  const empty = messageId === null && runs.length === 0 && messages.length === 0 && store.composer.unsent.length === 0;
  return (
    <>
      {empty && <Welcome />}
      {lastOf(started, shown).map((message) => (
        <Turn key={message.id} message={message} />
      ))}
      {orphans.map((run) => (
        <RunView key={run.run_id} id={run.run_id} />
      ))}
      {messageId === null && other.map((frame) => <Unknown key={frame.seq} type={frame.type} data={frame.data} />)}
      <Queue messageId={messageId} />
      {messageId === null && <Refusals />}
    </>
  );
}

/** Whether the prompt or one of the steps of its run matches the search. */
function isFound({ found, transcript }: Store, message: Message, runId: string): boolean {
  if (found === null || found.has(message.id)) return true;
  return findRun(transcript, runId)?.steps.some((id) => found.has(id)) ?? false;
}

function Turn({ message }: { message: Message }): VNode {
  const store = useStore("chat");
  const { messages, runs } = store.transcript;
  const steered = messages.filter((other) => other.steered && other.run_id === message.run_id);
  const long = runs.length > LONG_CONVERSATION;
  return (
    <div
      class={`rw-turn ${long ? "rw-long" : ""}`}
      style={long ? { containIntrinsicBlockSize: `auto ${estimateHeight(store, message.run_id)}px` } : {}}
    >
      <Prompt message={message} />
      {steered.map((other) => (
        <Prompt key={other.id} message={other} />
      ))}
      {message.run_id !== null && <RunView id={message.run_id} />}
    </div>
  );
}

/** The approximate height of a prompt and its run in CSS pixels, used until they are laid out. */
function estimateHeight(store: Store, runId: string | null): number {
  let height = 100;
  for (const id of findRun(store.transcript, runId ?? "")?.steps ?? []) {
    const { type, content } = store.step(id) as Step;
    height += type === "final_answer" ? 40 + content.length / 4 : 38;
  }
  return height;
}

function Prompt({ message }: { message: Message }): VNode {
  const { author: reader, extras, transcript } = useStore("chat");
  const { Prompt: Text } = extras;
  const text = textOfMessage(message);
  const author = authorOf(transcript, message, reader);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for form fields
    <div
      class="rw-question"
      dir="auto"
      role="group"
      aria-label={author?.name ?? trans.__("You")}
      data-message-id={message.id}
    >
      <AuthorName author={author} />
      {Text ? <Text text={text} /> : text}
      <SentAttachments attachments={attachmentsOfMessage(message)} />
    </div>
  );
}

function Welcome(): VNode {
  const store = useStore("composer");
  const agent = store.agents.find((other) => other.name === store.composer.agent);
  return (
    <div class="rw-welcome">
      <div class="rw-welcome-name">{store.composer.agent}</div>
      <div>{agent?.description}</div>
    </div>
  );
}

/** An event of a later protocol version. */
function Unknown({ type, data }: { type: string; data: unknown }): VNode {
  return (
    <details class="rw-unknown">
      <summary class="rw-unknown-summary">{type.replace(/_/g, " ")}</summary>
      <div class="rw-text">{JSON.stringify(data, null, 2)}</div>
    </details>
  );
}

function StopRun({ runId }: { runId: string }): VNode {
  const store = useStore(`run:${runId}`, "composer");
  return (
    <div class="rw-stop-run">
      <Button unavailable={!store.online || store.stopping(runId)} onPress={() => store.stop(runId)}>
        <Icon name="stop" />
        {trans.__("Stop")}
      </Button>
      {store.late && <LateNote />}
    </div>
  );
}
