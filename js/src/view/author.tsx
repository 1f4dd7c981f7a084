import type { VNode } from "preact";
import type { Message, Transcript } from "../protocol/fold.ts";
import type { Author } from "../protocol/messages.ts";
import "./author.css";

/** The author of a message, if it is to be shown: if a conversation has several authors, or one who is not the reader. */
export function authorOf({ messages }: Transcript, { author }: Message, reader: Author | null): Author | undefined {
  const others = messages.some((other) => other.author?.id !== messages[0]?.author?.id);
  return others || (reader && author?.id !== reader.id) ? author : undefined;
}

/** The name of the author of a message, if there is one. */
export function AuthorName({ author }: { author: Author | undefined }): VNode | null {
  if (!author) return null;
  return (
    <div class="rw-author" dir="auto" title={author.id}>
      <span class="rw-initials" aria-hidden="true">
        {author.initials}
      </span>
      <bdi>{author.name}</bdi>
    </div>
  );
}
