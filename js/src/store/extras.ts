// Additions of a host to the views of one chat: the cells attached in the sidebar. The plain widget has none.

import type { VNode } from "preact";

/** The additions of a host; all are optional. */
export interface Extras {
  /** Drawn in the composer, above the message field. */
  Attached?: () => VNode | null;
  /** Draws a prompt. */
  Prompt?: (props: { text: string }) => VNode;
  /** The message to send for the text that the person wrote. */
  compose?: (text: string) => string;
  /** The text that the person wrote in a message. With an `id`, the message returns to the composer, and so do its additions. */
  recall?: (message: string, id?: string) => string;
  /** The message was sent under this id. */
  sent?: (messageId: string) => void;
}
