// Colours with enough contrast to their background.

/** Red, green and blue, each from 0 to 255. */
export type Colour = readonly [number, number, number];

/** The contrast that WCAG 2.2 requires of text at level AA. */
export const MIN_CONTRAST = 4.5;

const BLACK: Colour = [0, 0, 0];
const WHITE: Colour = [255, 255, 255];
const STEPS = 20;

/** `colour` as `#rrggbb`. */
export function css(colour: Colour): string {
  return `#${colour.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** Parse a colour in the form `#rrggbb`. */
export function parsed(colour: string): Colour {
  return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)) as unknown as Colour;
}

/** WCAG's contrast ratio of two colours, from 1 (the same) to 21 (black and white). */
export function contrast(one: Colour, other: Colour): number {
  const [dark, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (bright + 0.05) / (dark + 0.05);
}

/** `ink` mixed with as little black or white as needed to be readable on `ground`. */
export function readable(ink: Colour, ground: Colour): Colour {
  const away = furthest(ground);
  for (let step = 0; step < STEPS; step++) {
    const mixed = mix(ink, away, step / STEPS);
    if (contrast(mixed, ground) >= MIN_CONTRAST) return mixed;
  }
  return away;
}

/** Black or white, whichever has more contrast to `ground`; that is always enough. */
export function furthest(ground: Colour): Colour {
  return contrast(BLACK, ground) > contrast(WHITE, ground) ? BLACK : WHITE;
}

/** Mix `colour` with a `share`, from 0 to 1, of `other`. */
export function mix(colour: Colour, other: Colour, share: number): Colour {
  return colour.map((part, at) => Math.round(part + ((other[at] as number) - part) * share)) as unknown as Colour;
}

function luminance(colour: Colour): number {
  const [red, green, blue] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
