import type { VNode } from "preact";
import { trans } from "../../translation.ts";
import type { Attachment } from "./attachments.ts";
import { nameOf, parsePrompt } from "./attachments.ts";
import type { Conversation } from "./conversations.ts";
import { Glyph } from "./glyphs.tsx";
import { useSignal } from "./hooks.ts";
import "./attached.css";

/** A component with the cells attached to the next prompt, each with a button to remove it. */
export function attachedTo(conversation: Conversation): () => VNode | null {
  return () => {
    useSignal(conversation.changed);
    const { attachments } = conversation;
    if (attachments.length === 0) return null;
    return (
      <ul class="rw-chips" aria-label={trans.__("Attached cells")}>
        {attachments.map((attachment, index) => {
          const name = nameOf(attachment, trans);
          return (
            <li key={index} class="rw-chip" title={preview(attachment)}>
              <Glyph name="cell" />
              <span class="rw-chip-name">{name}</span>
              <button
                type="button"
                class="rw-chip-remove"
                aria-label={trans.__("Remove %1", name)}
                onClick={() => conversation.remove(attachment)}
              >
                <Glyph name="remove" />
              </button>
            </li>
          );
        })}
      </ul>
    );
  };
}

/** A prompt as it was written, with its attached cells folded. */
export function PromptWithCells({ text }: { text: string }): VNode {
  const prompt = parsePrompt(text);
  return (
    <>
      {prompt.text}
      {prompt.attached.map((attachment, index) => (
        <details key={index} class="rw-attached">
          <summary class="rw-attached-name">
            <Glyph name="cell" />
            {nameOf(attachment, trans)}
          </summary>
          <div class="rw-text">{attachment.source}</div>
          {attachment.output && (
            <>
              <div class="rw-note">{trans.__("Its output:")}</div>
              <div class="rw-text">{attachment.output}</div>
            </>
          )}
        </details>
      ))}
    </>
  );
}

function preview({ source, output }: Attachment): string {
  return (output ? `${source}\n\n${output}` : source).slice(0, 600);
}
