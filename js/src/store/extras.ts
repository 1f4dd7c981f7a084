// What a host adds to the views of one chat: the sidebar's attachments. The plain widget has none.

import type { VNode } from "preact";

export interface Extras {
  /** Drawn in the composer, above what the person writes. */
  Attached?: () => VNode | null;
  /** Draws what was asked. */
  Question?: (props: { text: string }) => VNode;
  /** The message that is sent when the person sends `text`. */
  compose?: (text: string) => string;
  /** What the person wrote in a message; if it comes back to be sent anew, with its id, what went with it comes back too. */
  recall?: (message: string, id?: string) => string;
  /** It was sent, under this id. */
  asked?: (messageId: string) => void;
}
