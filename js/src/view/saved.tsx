import { render, type VNode } from "preact";
import type { Store } from "../store.ts";
import type { SavedSession } from "../transport/saved.ts";
import { drawChat } from "./chat.tsx";
import "./saved.css";

/** Draw what was saved of a session into `element`. The result takes it away again. */
export function drawSaved(element: HTMLElement, store: Store, session: SavedSession): () => void {
  const notes = document.createElement("div");
  notes.className = "reasoning-widget";
  render(<Notes session={session} />, notes);
  element.append(notes);
  const end = drawChat(element, store, session.messageId);
  return () => {
    end();
    render(null, notes);
    notes.remove();
  };
}

/** What the reader should know of what is saved. */
function Notes({ session }: { session: SavedSession }): VNode {
  const notes = session.events.length > 0 ? session.notes : [...session.notes, "Nothing was asked here yet."];
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
