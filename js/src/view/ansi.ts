// Colours and styles of printed text: SGR sequences become spans. Nothing else in the text becomes markup.

import { stripAnsi } from "../format.ts";
import { type Colour, css, furthest, mix, parsed, readable } from "./contrast.ts";

/** A piece of text with one style. */
export interface Span {
  text: string;
  /** CSS classes; empty for plain text. */
  look: string;
  /** CSS custom properties with the colours. */
  colours: Record<string, string>;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: SGR sequences begin with a control character
const SGR = /\u001b\[([\d;:]*)m/;

const STYLES: Record<number, string> = {
  1: "bold",
  2: "faint",
  3: "italic",
  4: "underline",
  7: "inverse",
  9: "struck",
  21: "underline",
};
const ENDS: Record<number, string[]> = {
  22: ["bold", "faint"],
  23: ["italic"],
  24: ["underline"],
  27: ["inverse"],
  29: ["struck"],
};

/** The number of one of the 16 named colours, or any colour. */
type Chosen = number | Colour;

/** The 16 named colours: as text on light cards, as text on dark cards, and for chosen backgrounds (xterm's colours). */
const ON_LIGHT = palette(
  "#24292f #c4101f #0f6a2b #7a5200 #0b57b0 #8a2bb0 #0b6470 #57606a",
  "#57606a #d4202f #1a7f37 #946600 #1769c2 #a03cc8 #107b88 #3b434b",
);
const ON_DARK = palette(
  "#8b949e #ff7b72 #4cc864 #d9a62e #6cb0ff #d09bff #4fd0dc #c9d1d9",
  "#9aa4ae #ffa198 #6fdd84 #e8bf55 #8ec5ff #dcb4ff #7ce0ea #f0f3f6",
);
const ON_CHOSEN = palette(
  "#000000 #cd0000 #00cd00 #cdcd00 #0000ee #cd00cd #00cdcd #e5e5e5",
  "#7f7f7f #ff0000 #00ff00 #ffff00 #5c5cff #ff00ff #00ffff #ffffff",
);

/** The backgrounds with the least contrast to text: the darkest light card, and the brightest dark card. */
export const LIGHT = parsed("#f3e5f5");
export const DARK = parsed("#272a2f");
/** The colours of text on these cards, which are the backgrounds of inverse text. */
const TEXT_ON_LIGHT = parsed("#1f2328");
const TEXT_ON_DARK = parsed("#e3e6ea");

/** The share of the background that is mixed into faint coloured text. */
const FAINT = 0.3;

/** Split `text` into spans by style, without escape sequences. */
export function spansOf(text: string): Span[] {
  if (!text.includes("\u001b")) return text ? [{ text, look: "", colours: {} }] : [];
  const spans: Span[] = [];
  const style = new Style();
  text.split(SGR).forEach((part, index) => {
    if (index % 2 === 1) style.change(part);
    else {
      const words = stripAnsi(part);
      if (words) spans.push({ text: words, ...style.look() });
    }
  });
  return spans;
}

/** Show `text` in `root`, as text nodes and spans. */
export function drawSpans(root: HTMLElement, text: string): void {
  root.replaceChildren(
    ...spansOf(text).map(({ text: words, look, colours }) => {
      if (!look) return words;
      const span = document.createElement("span");
      span.className = look;
      for (const [name, colour] of Object.entries(colours)) span.style.setProperty(name, colour);
      span.textContent = words;
      return span;
    }),
  );
}

class Style {
  private styles = new Set<string>();
  private ink: Chosen | null = null;
  private ground: Chosen | null = null;

  change(parameters: string): void {
    const codes = parameters.split(/[;:]/).map(Number);
    for (let at = 0; at < codes.length; at++) {
      const code = codes[at] as number;
      if (code === 38 || code === 48) {
        const [colour, taken] = extended(codes.slice(at + 1));
        at += taken;
        if (colour !== null) this.set(code === 48, colour);
      } else this.apply(code);
    }
  }

  private apply(code: number): void {
    if (code === 0) {
      this.styles.clear();
      this.ink = this.ground = null;
    } else if (STYLES[code]) this.styles.add(STYLES[code]);
    else if (ENDS[code]) for (const name of ENDS[code]) this.styles.delete(name);
    else if (code >= 30 && code <= 37) this.set(false, code - 30);
    else if (code >= 90 && code <= 97) this.set(false, code - 82);
    else if (code >= 40 && code <= 47) this.set(true, code - 40);
    else if (code >= 100 && code <= 107) this.set(true, code - 92);
    else if (code === 39) this.ink = null;
    else if (code === 49) this.ground = null;
  }

  private set(ground: boolean, colour: Chosen): void {
    if (ground) this.ground = colour;
    else this.ink = colour;
  }

  look(): Pick<Span, "look" | "colours"> {
    const colours = this.colours();
    const styles = new Set(this.styles);
    if (colours.ink) styles.delete("faint");
    if (colours.ground) styles.delete("inverse");
    const names = [...styles, ...Object.keys(colours)].map((name) => `rw-ansi-${name}`);
    const variables = Object.entries(colours).map(([name, colour]) => [`--rw-ansi-${name}`, colour]);
    return { look: names.join(" "), colours: Object.fromEntries(variables) };
  }

  /** The chosen colours in CSS; absent where the page's own colour applies. */
  private colours(): { ink?: string; ground?: string } {
    const inverse = this.styles.has("inverse");
    const faint = this.styles.has("faint") ? FAINT : 0;
    const [ink, ground] = inverse ? [this.ground, this.ink] : [this.ink, this.ground];
    if (ground !== null) {
      const below = of(ground, ON_CHOSEN);
      const above = ink === null ? furthest(below) : of(ink, ON_CHOSEN);
      return { ink: css(drawn(above, below, faint)), ground: css(below) };
    }
    if (ink === null) return {};
    const light = inverse ? drawn(of(ink, ON_CHOSEN), TEXT_ON_LIGHT, faint) : drawn(of(ink, ON_LIGHT), LIGHT, faint);
    const dark = inverse ? drawn(of(ink, ON_CHOSEN), TEXT_ON_DARK, faint) : drawn(of(ink, ON_DARK), DARK, faint);
    return { ink: `light-dark(${css(light)}, ${css(dark)})` };
  }
}

function palette(...rows: string[]): Colour[] {
  return rows.flatMap((row) => row.split(" ").map(parsed));
}

function of(chosen: Chosen, sixteen: Colour[]): Colour {
  return typeof chosen === "number" ? (sixteen[chosen] as Colour) : chosen;
}

function drawn(ink: Colour, ground: Colour, faint: number): Colour {
  return readable(mix(ink, ground, faint), ground);
}

/** The colour of an extended SGR code (one of 256, or RGB), and the number of parameters that it consumes. */
function extended(codes: number[]): [Chosen | null, number] {
  const [kind, first, ...rest] = codes;
  const isByte = (value: number | undefined): value is number => value !== undefined && value >= 0 && value < 256;
  if (kind === 5) return [isByte(first) ? indexed(first) : null, 2];
  if (kind !== 2) return [null, 1];
  const parts = [first, ...rest.slice(0, 2)];
  return [parts.length === 3 && parts.every(isByte) ? (parts as unknown as Colour) : null, 4];
}

function indexed(index: number): Chosen {
  if (index < 16) return index;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return [grey, grey, grey];
  }
  const level = (part: number): number => (part === 0 ? 0 : 55 + part * 40);
  const cube = index - 16;
  return [level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)];
}
