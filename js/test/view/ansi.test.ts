// @vitest-environment jsdom
import { expect, it } from "vitest";
import { drawSpans, spansOf } from "../../src/view/ansi.ts";

const ESC = "\u001b";

/** The looks of each piece, as `text: look colours`. */
function looks(text: string): string[] {
  return spansOf(text).map((span) => [span.text, span.look, ...Object.values(span.colours)].join("|"));
}

it.each([
  ["plain", ["plain|"]],
  ["", []],
  [`${ESC}[31mred${ESC}[0m off`, ["red|rw-ansi-ink|var(--rw-ansi-1)", " off|"]],
  [`${ESC}[91;44mx`, ["x|rw-ansi-ink rw-ansi-ground|var(--rw-ansi-9)|var(--rw-ansi-4)"]],
  [`${ESC}[1;4;38;5;208mx`, ["x|rw-ansi-bold rw-ansi-underline rw-ansi-ink|rgb(255 135 0)"]],
  [`${ESC}[38;5;3mx`, ["x|rw-ansi-ink|var(--rw-ansi-3)"]],
  [`${ESC}[38;5;244mx`, ["x|rw-ansi-ink|rgb(128 128 128)"]],
  [`${ESC}[48;2;1;2;3mx`, ["x|rw-ansi-ground|rgb(1 2 3)"]],
  [`${ESC}[1;31ma${ESC}[22;39mb`, ["a|rw-ansi-bold rw-ansi-ink|var(--rw-ansi-1)", "b|"]],
  [`${ESC}[ma${ESC}[999mb`, ["a|", "b|"]],
  [`${ESC}[38;5;999mx${ESC}[38;2;1mx`, ["x|", "x|"]],
  [`${ESC}[2Kx${ESC}[1A`, ["x|"]],
])("draws %j", (text, expected) => {
  expect(looks(text)).toEqual(expected);
});

it("never makes markup of what was printed", () => {
  const root = document.createElement("div");
  const hostile = `<img src=x onerror=alert(1)>${ESC}[31m<b onclick=x>"'</b>${ESC}[38;2;1;2;3;url(x)m</span>`;
  drawSpans(root, hostile);
  expect(root.querySelectorAll("img, b").length).toBe(0);
  expect(root.textContent).toContain(`<img src=x onerror=alert(1)><b onclick=x>"'</b>`);
});
