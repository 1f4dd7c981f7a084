import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { drawSpans, type Span, spansOf } from "../../src/view/ansi.ts";
import { type Colour, contrast, MIN_CONTRAST, mix, parsed } from "../../src/view/contrast.ts";

const ESC = "\u001b";

/** The style of each span, as `text|classes|colours`. */
function looks(text: string): string[] {
  return spansOf(text).map((span) => [span.text, span.look, ...Object.values(span.colours)].join("|"));
}

it.each([
  ["plain", ["plain|"]],
  ["", []],
  [`${ESC}[31mred${ESC}[0m off`, ["red|rw-ansi-ink|light-dark(#c4101f, #ff7b72)", " off|"]],
  [`${ESC}[97;41mx`, ["x|rw-ansi-ink rw-ansi-ground|#ffffff|#cd0000"]],
  [`${ESC}[30;42mx`, ["x|rw-ansi-ink rw-ansi-ground|#000000|#00cd00"]],
  [`${ESC}[44mx`, ["x|rw-ansi-ink rw-ansi-ground|#ffffff|#0000ee"]],
  [`${ESC}[103mx`, ["x|rw-ansi-ink rw-ansi-ground|#000000|#ffff00"]],
  [`${ESC}[7mx`, ["x|rw-ansi-inverse"]],
  [`${ESC}[7;30;42mx`, ["x|rw-ansi-ink rw-ansi-ground|#00cd00|#000000"]],
  [`${ESC}[7;31mx`, ["x|rw-ansi-ink rw-ansi-ground|#ffffff|#cd0000"]],
  [`${ESC}[2mx`, ["x|rw-ansi-faint"]],
  [`${ESC}[1;4;38;5;52mx`, ["x|rw-ansi-bold rw-ansi-underline rw-ansi-ink|light-dark(#5f0000, #b78c8c)"]],
  [`${ESC}[38;5;3mx`, ["x|rw-ansi-ink|light-dark(#7a5200, #d9a62e)"]],
  [`${ESC}[38;5;16mx`, ["x|rw-ansi-ink|light-dark(#000000, #999999)"]],
  [`${ESC}[48;2;1;2;3mx`, ["x|rw-ansi-ink rw-ansi-ground|#ffffff|#010203"]],
  [`${ESC}[1;31ma${ESC}[22;39mb`, ["a|rw-ansi-bold rw-ansi-ink|light-dark(#c4101f, #ff7b72)", "b|"]],
  [`${ESC}[ma${ESC}[999mb`, ["a|", "b|"]],
  [`${ESC}[38;5;999mx${ESC}[38;2;1mx`, ["x|", "x|"]],
  [`${ESC}[2Kx${ESC}[1A`, ["x|"]],
])("draws %j", (text, expected) => {
  expect(looks(text)).toEqual(expected);
});

// The colours in the style sheet: the backgrounds of the cards, and their text, which is the background of inverse text.
const CSS = readFileSync(join(import.meta.dirname, "../../src/view/root.css"), "utf8");
const variable = (name: string): string[] =>
  new RegExp(`--rw-${name}: [^;]*light-dark\\((#[0-9a-f]{6}), (#[0-9a-f]{6})\\)`).exec(CSS)?.slice(1) ?? [];
const CARDS = ["thought", "tool-use", "tool-result", "final-answer", "error", "raised", "surface"].map(variable);
// The possible backgrounds of text: the cards, the insets in them, and those of high-contrast themes.
const GROUNDS = [0, 1].map((theme) => {
  const own = CARDS.map((pair) => parsed(pair[theme] as string));
  const inset: Colour = theme === 0 ? [255, 255, 255] : [0, 0, 0];
  return [...own, ...own.map((ground) => mix(ground, inset, theme === 0 ? 0.72 : 0.28)), inset];
});
const TEXTS = variable("text").map(parsed);

const some = [0, 90, 150, 255];
const REAL = some.flatMap((red) => some.flatMap((green) => some.map((blue) => `2;${red};${green};${blue}`)));
const EXTENDED = [...Array.from({ length: 256 }, (_, index) => `5;${index}`), ...REAL];
const SIXTEEN = [30, 90].flatMap((first) => Array.from({ length: 8 }, (_, at) => first + at));
const INKS = [...SIXTEEN, ...EXTENDED.map((colour) => `38;${colour}`)];
const CHOSEN = [...SIXTEEN.map((code) => code + 10), ...EXTENDED.filter((_, at) => at % 7 === 0).map((c) => `48;${c}`)];

/** The contrasts of a text with these parameters, in each theme, to each possible background. */
function contrasts(parameters: string): number[] {
  const [span] = spansOf(`${ESC}[${parameters}mx`);
  const { look, colours } = span as Span;
  const [ink, ground] = ["ink", "ground"].map((name) => colours[`--rw-ansi-${name}`]?.match(/#[0-9a-f]{6}/g));
  return [0, 1].flatMap((theme) => {
    const inverse = look.includes("rw-ansi-inverse");
    const text = TEXTS[theme] as Colour;
    const surface = parsed((CARDS[6] as string[])[theme] as string);
    const above = ink ? parsed((ink[theme] ?? ink[0]) as string) : inverse ? surface : text;
    const below = ground ? [parsed(ground[0] as string)] : inverse ? [text] : (GROUNDS[theme] as Colour[]);
    const shown = look.includes("faint") ? below.map((under) => mix(under, above, 0.8)) : below.map(() => above);
    return below.map((under, at) => contrast(shown[at] as Colour, under));
  });
}

it.each(["", "1;", "2;", "7;", "2;7;"])(
  "is readable in every colour on every background, with the styles %j",
  (styles) => {
    expect(CARDS.flat().length + TEXTS.length).toBe(16);
    const pairs = INKS.filter((_, at) => at % 6 === 0).flatMap((ink) => CHOSEN.map((ground) => `${ink};${ground}`));
    const looksLike = ["0", ...INKS, ...CHOSEN, ...pairs];
    const illegible = looksLike.filter((parameters) => Math.min(...contrasts(`${styles}${parameters}`)) < MIN_CONTRAST);
    expect(illegible).toEqual([]);
  },
);

it("keeps a colour that is readable", () => {
  expect(looks(`${ESC}[38;2;120;0;60mx`)[0]).toContain("light-dark(#78003c, ");
  expect(looks(`${ESC}[38;2;250;180;60mx`)[0]).toContain(", #fab43c)");
  expect(looks(`${ESC}[38;2;200;220;255;48;2;0;30;90mx`)[0]).toContain("#c8dcff|#001e5a");
});

it("keeps the 16 named colours different", () => {
  for (const theme of [0, 1]) {
    const drawn = SIXTEEN.map((code) => looks(`${ESC}[${code}mx`)[0]?.match(/#[0-9a-f]{6}/g)?.[theme]);
    expect(new Set(drawn).size).toBeGreaterThanOrEqual(theme === 0 ? 15 : 16); // on light cards, two of the greys are equal
  }
});

it("never makes markup of printed text", () => {
  const root = document.createElement("div");
  const hostile = `<img src=x onerror=alert(1)>${ESC}[31m<b onclick=x>"'</b>${ESC}[38;2;1;2;3;url(x)m</span>`;
  drawSpans(root, hostile);
  expect(root.querySelectorAll("img, b").length).toBe(0);
  expect(root.textContent).toContain(`<img src=x onerror=alert(1)><b onclick=x>"'</b>`);
});
