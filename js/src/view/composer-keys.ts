// What a key means in the message field.

/** What a key does in the composer. */
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

/** The code of a key that the input method has taken. Safari says of Enter no more than this, once the word has ended. */
const TAKEN = 229;

interface Field {
  value: string;
  selectionStart: number;
  selectionEnd: number;
}

/** What to do; null: what the browser does. While a word is being composed, every key is the input method's. */
export function keyAction(event: Key, field: Field): KeyAction | null {
  if (event.isComposing || event.key === "Process" || event.keyCode === TAKEN) return null;
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
