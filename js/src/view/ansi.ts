/** Colours and styles of printed text: SGR sequences become spans. Nothing else of it is ever markup. */

import { stripAnsi } from "./format.ts";

/** Text of one look. */
export interface Span {
  text: string;
  /** CSS classes; empty for plain text. */
  look: string;
  /** Custom properties: colours that are no class. */
  colours: Record<string, string>;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
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

/** The spans of `text`, in order, without any escape sequence. */
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
  private ink: string | number | null = null;
  private ground: string | number | null = null;

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

  private set(ground: boolean, colour: string | number): void {
    if (ground) this.ground = colour;
    else this.ink = colour;
  }

  look(): Pick<Span, "look" | "colours"> {
    const names = [...this.styles].map((style) => `rw-ansi-${style}`);
    const colours: Record<string, string> = {};
    if (this.ink !== null) {
      names.push("rw-ansi-ink");
      colours["--rw-ansi-ink"] = css(this.ink);
    }
    if (this.ground !== null) {
      names.push("rw-ansi-ground");
      colours["--rw-ansi-ground"] = css(this.ground);
    }
    return { look: names.join(" "), colours };
  }
}

function css(colour: string | number): string {
  return typeof colour === "number" ? `var(--rw-ansi-${colour})` : colour;
}

/** A colour of 256 or of all, and how many numbers it takes. */
function extended(codes: number[]): [string | number | null, number] {
  const [kind, first, ...rest] = codes;
  const isByte = (value: number | undefined): value is number => value !== undefined && value >= 0 && value < 256;
  if (kind === 5) return [isByte(first) ? indexed(first) : null, 2];
  if (kind !== 2) return [null, 1];
  const parts = [first, ...rest.slice(0, 2)];
  return [parts.length === 3 && parts.every(isByte) ? `rgb(${parts.join(" ")})` : null, 4];
}

function indexed(index: number): string | number {
  if (index < 16) return index;
  if (index >= 232)
    return `rgb(${Array(3)
      .fill(8 + (index - 232) * 10)
      .join(" ")})`;
  const level = (part: number): number => (part === 0 ? 0 : 55 + part * 40);
  const cube = index - 16;
  return `rgb(${[Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map(level).join(" ")})`;
}
