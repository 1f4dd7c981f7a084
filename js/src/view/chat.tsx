import { render, type VNode } from "preact";
import { useEffect, useErrorBoundary, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { findRun, type Message, type Step } from "../protocol/fold.ts";
import { attachmentsOfMessage, textOfMessage } from "../store/attachments.ts";
import type { Store } from "../store/store.ts";
import { trans } from "../translation.ts";
import { Announcer } from "./announcer.tsx";
import { Sent } from "./attachments.tsx";
import { AuthorName, authorOf } from "./author.tsx";
import { Button } from "./button.tsx";
import { Composer } from "./composer.tsx";
import { StoreContext, useStore } from "./context.ts";
import { copyAsWritten } from "./copied.ts";
import { keepFocus } from "./focus.ts";
import { type Follower, followEnd } from "./follow.ts";
import { lastOf, useGrowing } from "./growing.ts";
import { Icon } from "./icons.tsx";
import { LateNote } from "./late-note.tsx";
import { Queue } from "./queue.tsx";
import { Refusals } from "./refusals.tsx";
import { keepWithinRoom } from "./room.ts";
import { RunView } from "./run.tsx";
import { followTheme } from "./theme.ts";
import { Timeline } from "./timeline.tsx";
import "./root.css";
import "./chat.css";

/**
 * Draw the chat of `store` into `element`, or only one message and its run. The result takes it away again. Where it cannot
 * be drawn, now or later, a note says so, and `failed` is told.
 */
export function drawChat(
  element: HTMLElement,
  store: Store,
  messageId: string | null = null,
  failed?: (error: unknown) => void,
): () => void {
  const root = document.createElement("div");
  root.className = "reasoning-widget";
  // JupyterLab: keys pressed in here are no shortcuts of the notebook, but for the one that saves it.
  root.dataset.lmSuppressShortcuts = "true";
  for (const type of ["keydown", "keypress", "keyup"]) root.addEventListener(type, (event) => event.stopPropagation());
  root.addEventListener("keydown", (event) => {
    const saves = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s";
    if (saves && !element.dispatchEvent(new KeyboardEvent("keydown", event))) event.preventDefault();
  });
  copyAsWritten(root);
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
    stopLooking();
    stopFollowing();
    render(null, root);
    root.remove();
  };
  const stopLooking = whenReplaced(element, store, end);
  return end;
}

/**
 * Call `end` when `element` has been taken from its place. JupyterLab draws a widget anew when the saved output of its cell
 * changes, and tells the old view nothing: it would be drawn for ever, unseen. (A cell that is scrolled out of sight is
 * taken away as a whole, and comes back.) The result ends looking.
 */
function whenReplaced(element: HTMLElement, store: Store, end: () => void): () => void {
  let placed = false;
  const look = (): void => {
    if (element.parentNode !== null) placed = true;
    else if (placed) end();
  };
  const frame = requestAnimationFrame(look);
  const stopListening = store.on("composer", look); // heard with whatever comes
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
  const { epoch } = store.transcript; // where the reader was is known by it
  // The same nodes as long as they say the same: a key pressed in the composer must not draw the conversation again.
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

/** A run is read in the page, as any other output is. */
function Run({ messageId }: { messageId: string }): VNode {
  return (
    <div class="rw-turns">
      <Turns messageId={messageId} />
    </div>
  );
}

/** A conversation scrolls by itself, so that the composer below it stays where it is. */
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
    const release = chat === null || store.saved ? undefined : keepWithinRoom(chat);
    return () => {
      made.close();
      release?.();
    };
  }, [store]);
  useEffect(() => store.on("sent", () => follower.current?.follow()), [store]);
  return (
    <div class="rw-conversation">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
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

/** So many questions are drawn at once; then one after the other. */
const AT_ONCE = 2;
/** A conversation with more is long. */
const MANY = 20;

function Turns({ messageId }: { messageId: string | null }): VNode {
  const store = useStore("chat");
  const { messages, runs, other } = store.transcript;
  const wanted = messages.filter((message) => messageId === null || message.id === messageId);
  const started = wanted.filter(
    (message) => message.run_id !== null && !message.steered && isFound(store, message, message.run_id),
  );
  const shown = useGrowing(started.length, AT_ONCE, 1);
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

/** Whether the question or one of its steps is among those that are looked for. */
function isFound({ found, transcript }: Store, message: Message, runId: string): boolean {
  if (found === null || found.has(message.id)) return true;
  return findRun(transcript, runId)?.steps.some((id) => found.has(id)) ?? false;
}

function Turn({ message }: { message: Message }): VNode {
  const store = useStore("chat");
  const { messages, runs } = store.transcript;
  const steered = messages.filter((other) => other.steered && other.run_id === message.run_id);
  const long = runs.length > MANY;
  return (
    <div
      class={`rw-turn ${long ? "rw-long" : ""}`}
      style={long ? { containIntrinsicBlockSize: `auto ${guessHeight(store, message.run_id)}px` } : {}}
    >
      <Question message={message} />
      {steered.map((other) => (
        <Question key={other.id} message={other} />
      ))}
      {message.run_id !== null && <RunView id={message.run_id} />}
    </div>
  );
}

/** About how high a question and its run are, in CSS pixels: what is not laid out yet must take its place all the same. */
function guessHeight(store: Store, runId: string | null): number {
  let height = 100;
  for (const id of findRun(store.transcript, runId ?? "")?.steps ?? []) {
    const { type, content } = store.step(id) as Step;
    height += type === "final_answer" ? 40 + content.length / 4 : 38;
  }
  return height;
}

function Question({ message }: { message: Message }): VNode {
  const { author: reader, extras, transcript } = useStore("chat");
  const { Question: Text } = extras;
  const text = textOfMessage(message);
  const author = authorOf(transcript, message, reader);
  return (
    // biome-ignore lint/a11y/useSemanticElements: it is no set of fields
    <div
      class="rw-question"
      dir="auto"
      role="group"
      aria-label={author?.name ?? trans.__("You")}
      data-message-id={message.id}
    >
      <AuthorName author={author} />
      {Text ? <Text text={text} /> : text}
      <Sent attachments={attachmentsOfMessage(message)} />
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

/** An event of a later version of the protocol. */
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
