// Lumino 2: puts a widget into an element that is not in the page yet, or may leave it unnoticed.
//
// `Widget.attach` and `Widget.detach` throw in both cases, so their messages are sent here without their checks. Without
// this, rich outputs of tools are not drawn in cards. Canary: `test/compat/lumino.dom.test.ts`.

import { MessageLoop } from "@lumino/messaging";
import { Widget } from "@lumino/widgets";

/** Put `widget` at the end of `element`. */
export function attachAnywhere(widget: Widget, element: HTMLElement): void {
  MessageLoop.sendMessage(widget, Widget.Msg.BeforeAttach);
  element.append(widget.node);
  MessageLoop.sendMessage(widget, Widget.Msg.AfterAttach);
}

/** Remove `widget` from wherever it is, and dispose of it. */
export function detachAnywhere(widget: Widget): void {
  MessageLoop.sendMessage(widget, Widget.Msg.BeforeDetach);
  widget.node.remove();
  MessageLoop.sendMessage(widget, Widget.Msg.AfterDetach);
  widget.dispose();
}
