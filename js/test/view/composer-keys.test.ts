import { describe, expect, it } from "vitest";
import { keyAction } from "../../src/view/composer-keys.ts";

const key = (name: string, more: object = {}) => ({
  key: name,
  shiftKey: false,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  isComposing: false,
  keyCode: 13,
  ...more,
});
/** A field with the caret at `|`. */
const field = (text: string) => {
  const at = text.indexOf("|");
  return { value: text.replace("|", ""), selectionStart: at, selectionEnd: at };
};

describe("keys in the message field", () => {
  it("Enter sends, Shift+Enter breaks the line", () => {
    expect(keyAction(key("Enter"), field("a|"))).toBe("send");
    expect(keyAction(key("Enter", { shiftKey: true }), field("a|"))).toBe("break");
  });

  it("all belong to the input method during a composition", () => {
    for (const name of ["Enter", "ArrowUp", "ArrowDown", "Escape"]) {
      expect(keyAction(key(name, { isComposing: true }), field("|"))).toBeNull();
      expect(keyAction(key(name, { keyCode: 229 }), field("|"))).toBeNull(); // Safari, at the end of a composition
    }
  });

  it("the arrows browse from the first and last line only", () => {
    expect(keyAction(key("ArrowUp"), field("one|\ntwo"))).toBe("older");
    expect(keyAction(key("ArrowUp"), field("one\ntwo|"))).toBeNull();
    expect(keyAction(key("ArrowDown"), field("one\ntwo|"))).toBe("newer");
    expect(keyAction(key("ArrowDown"), field("one|\ntwo"))).toBeNull();
    expect(keyAction(key("ArrowUp", { shiftKey: true }), field("one|"))).toBeNull();
  });

  it("Escape leaves", () => {
    expect(keyAction(key("Escape"), field("|"))).toBe("leave");
  });
});
