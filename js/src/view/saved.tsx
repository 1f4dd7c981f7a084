import { render, type VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { formatNumber } from "../format.ts";
import type { SavedSession } from "../store/snapshot.ts";
import type { Store } from "../store/store.ts";
import { trans } from "../translation.ts";
import { Button } from "./button.tsx";
import { drawChat } from "./chat.tsx";
import { highlight, matching, occurrences } from "./find.ts";
import { Icon } from "./icons.tsx";
import "./saved.css";

/** Draw a saved session into `element`, with a search field. Parameters and result are as for `drawChat`. */
export function drawSaved(
  element: HTMLElement,
  store: Store,
  session: SavedSession,
  failed?: (error: unknown) => void,
): () => void {
  const empty = session.events.length === 0;
  const notes = empty && session.notes.length === 0 ? [trans.__("Nothing has been asked yet.")] : session.notes;
  // The search field is at the place of the live chat's composer, so that nothing moves when one replaces the other.
  const [above, body, below] = [bar(), document.createElement("div"), bar()];
  element.append(above, body, below);
  const end = drawChat(body, store, session.messageId, failed);
  forgetLayout(body);
  render(<Notes notes={notes} />, above);
  if (!empty) render(<Find store={store} body={body} />, below);
  return () => {
    for (const each of [above, below]) render(null, each);
    end();
    for (const each of [above, body, below]) each.remove();
  };
}

/**
 * Discard the layout of elements that were scrolled out of view. Browsers lay out only the visible part of a long transcript,
 * but keep the layout of what was visible, which takes more memory than everything else. Inserting an element again at its
 * place discards its layout; one at a time, so that the page stays responsive. (Elements with the focus or a selection
 * count as visible.)
 */
function forgetLayout(body: HTMLElement): void {
  const laidOut = new WeakSet<HTMLElement>();
  const hidden = new Set<HTMLElement>();
  const forget = (): void => {
    const [first] = hidden;
    if (first === undefined) return;
    hidden.delete(first);
    laidOut.delete(first);
    first.style.containIntrinsicBlockSize = `${first.offsetHeight}px`;
    first.parentNode?.insertBefore(first, first.nextSibling);
    if (hidden.size > 0) setTimeout(forget);
  };
  body.addEventListener("contentvisibilityautostatechange", (event) => {
    const { target, skipped } = event as ContentVisibilityAutoStateChangeEvent;
    if (!(target instanceof HTMLElement)) return;
    if (!skipped) {
      laidOut.add(target);
      hidden.delete(target);
    } else if (laidOut.has(target)) {
      if (hidden.size === 0) setTimeout(forget);
      hidden.add(target);
    }
  });
}

function bar(): HTMLElement {
  const element = document.createElement("div");
  element.className = "reasoning-widget";
  element.dataset.lmSuppressShortcuts = "true";
  return element;
}

/** Notes about what is wrong or missing in the saved session. */
function Notes({ notes }: { notes: string[] }): VNode {
  return (
    <>
      {notes.map((note) => (
        <div key={note} class="rw-note rw-saved-note" role="note">
          {note}
        </div>
      ))}
    </>
  );
}

/** A field to search the saved transcript. */
function Find({ store, body }: { store: Store; body: HTMLElement }): VNode {
  const [words, setWords] = useState("");
  const [found, setFound] = useState<Range[]>([]);
  const [at, setAt] = useState(0);
  const owner = useRef({});
  useLayoutEffect(() => {
    body.classList.toggle("rw-finding", words.trim() !== "");
    store.find(matching(store, words));
    setAt(0);
    // After the cards are drawn, in a microtask.
    const timer = setTimeout(() => setFound(occurrences(body, words)));
    return () => clearTimeout(timer);
  }, [store, body, words]);
  useEffect(() => {
    highlight(owner.current, found, found[at]);
    if (found[at]) scrollTo(found[at]);
  }, [found, at]);
  useEffect(() => () => highlight(owner.current, [], undefined), []);
  const go = (by: number): void => setAt(found.length === 0 ? 0 : (at + by + found.length) % found.length);
  return (
    <search class="rw-find">
      <input
        class="rw-field rw-find-field"
        type="search"
        aria-label={trans.__("Find in the transcript")}
        placeholder={trans.__("Find in the transcript")}
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
            {found.length === 0
              ? trans.__("Nothing found")
              : trans.__("%1 of %2", formatNumber(at + 1), formatNumber(found.length))}
          </span>
          <Button kind="quiet" label={trans.__("Previous")} unavailable={found.length === 0} onPress={() => go(-1)}>
            <span class="rw-up">
              <Icon name="down" />
            </span>
          </Button>
          <Button kind="quiet" label={trans.__("Next")} unavailable={found.length === 0} onPress={() => go(1)}>
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
