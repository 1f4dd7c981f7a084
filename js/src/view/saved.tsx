import { render, type VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Store } from "../store.ts";
import type { SavedSession } from "../transport/saved.ts";
import { Button } from "./button.tsx";
import { drawChat } from "./chat.tsx";
import { mark, matching, places } from "./find.ts";
import { formatNumber } from "./format.ts";
import { Icon } from "./icons.tsx";
import "./saved.css";

/** Draw what was saved of a session into `element`. The result takes it away again. */
export function drawSaved(element: HTMLElement, store: Store, session: SavedSession): () => void {
  const bar = document.createElement("div");
  bar.className = "reasoning-widget";
  bar.dataset.lmSuppressShortcuts = "true";
  const body = document.createElement("div");
  element.append(bar, body);
  const end = drawChat(body, store, session.messageId);
  render(<Bar store={store} session={session} body={body} />, bar);
  return () => {
    render(null, bar);
    end();
    bar.remove();
    body.remove();
  };
}

interface BarProps {
  store: Store;
  session: SavedSession;
  body: HTMLElement;
}

/** What the reader should know of what is saved, and a field to find words in it. */
function Bar({ store, session, body }: BarProps): VNode {
  const empty = session.events.length === 0;
  const notes = empty ? [...session.notes, "Nothing was asked here yet."] : session.notes;
  return (
    <>
      {notes.map((note) => (
        <div key={note} class="rw-note rw-saved-note" role="note">
          {note}
        </div>
      ))}
      {!empty && <Find store={store} body={body} />}
    </>
  );
}

function Find({ store, body }: { store: Store; body: HTMLElement }): VNode {
  const [words, setWords] = useState("");
  const [found, setFound] = useState<Range[]>([]);
  const [at, setAt] = useState(0);
  const owner = useRef({});
  useLayoutEffect(() => {
    store.find(matching(store, words));
    setAt(0);
    // The cards are drawn with the next microtask.
    const timer = setTimeout(() => setFound(places(body, words)));
    return () => clearTimeout(timer);
  }, [store, body, words]);
  useEffect(() => {
    mark(owner.current, found, found[at]);
    if (found[at]) scrollTo(found[at]);
  }, [found, at]);
  useEffect(() => () => mark(owner.current, [], undefined), []);
  const go = (by: number): void => setAt(found.length === 0 ? 0 : (at + by + found.length) % found.length);
  return (
    <search class="rw-find">
      <input
        class="rw-field rw-find-field"
        type="search"
        aria-label="Find in the transcript"
        placeholder="Find in the transcript"
        value={words}
        onInput={(event) => setWords(event.currentTarget.value)}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === "Enter" && !event.isComposing) go(event.shiftKey ? -1 : 1);
          else if (event.key === "Escape") setWords("");
        }}
      />
      {words.trim() !== "" && (
        <>
          <span class="rw-find-count" role="status">
            {found.length === 0 ? "Nothing found" : `${formatNumber(at + 1)} of ${formatNumber(found.length)}`}
          </span>
          <Button kind="quiet" label="Previous" unavailable={found.length === 0} onPress={() => go(-1)}>
            <span class="rw-up">
              <Icon name="down" />
            </span>
          </Button>
          <Button kind="quiet" label="Next" unavailable={found.length === 0} onPress={() => go(1)}>
            <Icon name="down" />
          </Button>
        </>
      )}
    </search>
  );
}

function scrollTo(range: Range): void {
  range.startContainer.parentElement?.scrollIntoView({ block: "nearest" });
}
