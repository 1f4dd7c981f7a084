import type { ComponentChildren, VNode } from "preact";
import type { Author } from "../protocol/messages.ts";
import { type Attachment, attachmentsOfMessage } from "../store/attachments.ts";
import { trans } from "../translation.ts";
import { SentAttachments } from "./attachments.tsx";
import { AuthorName, authorOf } from "./author.tsx";
import { Button } from "./button.tsx";
import { useStore } from "./context.ts";
import "./queue.css";

/** The messages that wait: to be received by the kernel, or for the active run to end. */
export function Queue({ messageId }: { messageId: string | null }): VNode | null {
  const store = useStore("chat");
  const waiting = store.transcript.messages.filter(
    (message) =>
      message.run_id === null && message.withdrawn === null && (messageId === null || message.id === messageId),
  );
  const unsent = messageId === null ? store.composer.unsent : [];
  if (waiting.length === 0 && unsent.length === 0) return null;
  return (
    <div class="rw-queue">
      {waiting.map((message) => (
        <Waiting
          key={message.id}
          id={message.id}
          badge={trans.__("Queued")}
          text={store.composer.ownText(message)}
          attachments={attachmentsOfMessage(message)}
          author={authorOf(store.transcript, message, store.author)}
        >
          {!store.saved && (
            <>
              <Button
                kind="quiet"
                label={trans.__("Edit queued message")}
                onPress={() => store.composer.withdraw(message.id, true)}
              >
                {trans.__("Edit")}
              </Button>
              <Button
                kind="quiet"
                label={trans.__("Withdraw queued message")}
                onPress={() => store.composer.withdraw(message.id, false)}
              >
                {trans.__("Withdraw")}
              </Button>
            </>
          )}
        </Waiting>
      ))}
      {unsent.map(({ id, text, attachments }) => (
        <Waiting
          key={id}
          id={id}
          badge={trans.__("Waiting")}
          text={store.composer.ownWords(text)}
          attachments={attachments}
        />
      ))}
    </div>
  );
}

interface WaitingProps {
  id: string;
  badge: string;
  text: string;
  attachments: readonly Attachment[];
  author?: Author | undefined;
  children?: ComponentChildren;
}

function Waiting({ id, badge, text, attachments, author, children }: WaitingProps): VNode {
  return (
    <div class="rw-queued" data-message-id={id}>
      <AuthorName author={author} />
      <div class="rw-queued-line">
        <span class="rw-badge">{badge}</span>
        <span class="rw-queued-text">{text}</span>
        {children}
      </div>
      <SentAttachments attachments={attachments} />
    </div>
  );
}
