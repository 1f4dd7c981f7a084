// The meaning of keys in the message field.

/** The action of a key in the message field. */
export type KeyAction = "send" | "break" | "older" | "newer" | "leave";

interface Key {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  isComposing: boolean;
  keyCode: number;
}

/** The code of a key that the input method handles. In Safari, only this marks the Enter that ends a composition. */
const HANDLED_BY_INPUT_METHOD = 229;

interface Field {
  value: string;
  selectionStart: number;
  selectionEnd: number;
}

/** The action of a key; null for the browser's default. During a composition, all keys belong to the input method. */
export function keyAction(event: Key, field: Field): KeyAction | null {
  if (event.isComposing || event.key === "Process" || event.keyCode === HANDLED_BY_INPUT_METHOD) return null;
  if (event.key === "Escape") return "leave";
  if (event.key === "Enter") {
    if (event.shiftKey || event.altKey) return "break";
    return "send";
  }
  if (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return null;
  if (field.selectionStart !== field.selectionEnd) return null;
  if (event.key === "ArrowUp" && !field.value.slice(0, field.selectionStart).includes("\n")) return "older";
  if (event.key === "ArrowDown" && !field.value.slice(field.selectionEnd).includes("\n")) return "newer";
  return null;
}
