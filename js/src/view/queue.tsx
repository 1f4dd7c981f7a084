import type { VNode } from "preact";
import { trans } from "../words.ts";
import { Button } from "./button.tsx";
import { useStore } from "./context.ts";
import "./queue.css";

/** The messages that wait: for the kernel to hear of them, or for the run that is on. */
export function Queue({ messageId }: { messageId: string | null }): VNode | null {
  const store = useStore("chat");
  const waiting = store.transcript.messages.filter(
    (message) =>
      message.run_id === null && message.withdrawn === null && (messageId === null || message.id === messageId),
  );
  const unsent = messageId === null ? store.unsent : [];
  if (waiting.length === 0 && unsent.length === 0) return null;
  return (
    <div class="rw-queue">
      {waiting.map((message) => (
        <div key={message.id} class="rw-queued" data-message-id={message.id}>
          <span class="rw-badge">{trans.__("Queued")}</span>
          <span class="rw-queued-text">{store.ownWords(message.content)}</span>
          {!store.saved && (
            <>
              <Button
                kind="quiet"
                label={trans.__("Edit queued message")}
                onPress={() => store.withdraw(message.id, true)}
              >
                {trans.__("Edit")}
              </Button>
              <Button
                kind="quiet"
                label={trans.__("Withdraw queued message")}
                onPress={() => store.withdraw(message.id, false)}
              >
                {trans.__("Withdraw")}
              </Button>
            </>
          )}
        </div>
      ))}
      {unsent.map((message) => (
        <div key={message.id} class="rw-queued" data-message-id={message.id}>
          <span class="rw-badge">{trans.__("Waiting")}</span>
          <span class="rw-queued-text">{store.ownWords(message.content)}</span>
        </div>
      ))}
    </div>
  );
}
