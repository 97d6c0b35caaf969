/**
 * The style of a piece of output as one number: colours and what SGR sets (ECMA-48, 8.3.117), and the channel. A theme
 * says how the 16 colours look, so that each can be read on light and on dark ground. All other colours become the
 * nearest of the 16.
 */

export type Style = number;

export const plain: Style = 0;

const foregroundShift = 0;
const backgroundShift = 5;
const colourMask = 0b1_1111;

const flags = {
  bold: 1 << 10,
  dim: 1 << 11,
  italic: 1 << 12,
  underline: 1 << 13,
  strike: 1 << 14,
  inverse: 1 << 15,
} as const;

/** Set on everything that came by standard error. */
export const errorChannel: Style = 1 << 16;

/** How many bits a style takes, for those that pack more beside it. */
export const styleBits = 17;

const setBy: Readonly<Record<number, number>> = {
  1: flags.bold,
  2: flags.dim,
  3: flags.italic,
  4: flags.underline,
  7: flags.inverse,
  9: flags.strike,
};
const unsetBy: Readonly<Record<number, number>> = {
  22: flags.bold | flags.dim,
  23: flags.italic,
  24: flags.underline,
  27: flags.inverse,
  29: flags.strike,
};

/** Applies the parameters of an SGR sequence, such as `1;38;5;208`. Parameters that it does not know change nothing. */
export function applySgr(style: Style, parameters: string): Style {
  const channel = style & errorChannel;
  let next = style;
  const codes = parameters.split(";");
  for (let at = 0; at < codes.length; at++) {
    const [first = "", ...colons] = (codes[at] ?? "").split(":");
    const code = Number(first);
    if (code === 0) next = channel;
    else if (code === 38 || code === 48 || code === 58) {
      // 38;5;N and 38;2;R;G;B, or the same with colons, where an empty part may stand before R.
      const isInline = colons.length > 0;
      const given = (isInline ? colons : codes.slice(at + 1)).map(Number);
      const length = given[0] === 5 ? 2 : given[0] === 2 ? 4 : 0;
      if (!isInline) at += length;
      const colour =
        given[0] === 5
          ? ofPalette(given[1])
          : given[0] === 2
            ? nearest(given.slice(isInline ? -3 : 1, isInline ? undefined : 4))
            : undefined;
      if (colour !== undefined && code !== 58) next = withColour(next, code === 38, colour);
    } else if (code >= 30 && code <= 37) next = withColour(next, true, code - 29);
    else if (code >= 90 && code <= 97) next = withColour(next, true, code - 81);
    else if (code >= 40 && code <= 47) next = withColour(next, false, code - 39);
    else if (code >= 100 && code <= 107) next = withColour(next, false, code - 91);
    else if (code === 39) next = withColour(next, true, 0);
    else if (code === 49) next = withColour(next, false, 0);
    else if (code === 4 && colons[0] === "0") next &= ~flags.underline;
    else if (code === 21) next |= flags.underline;
    else next = (next | (setBy[code] ?? 0)) & ~(unsetBy[code] ?? 0);
  }
  return next;
}

/** The style of what was erased: its ground is that of the text before. */
export function groundOf(style: Style): Style {
  return style & (colourMask << backgroundShift);
}

function withColour(style: Style, isForeground: boolean, colour: number): Style {
  const shift = isForeground ? foregroundShift : backgroundShift;
  return (style & ~(colourMask << shift)) | (colour << shift);
}

/** The colours of the usual palette of a terminal: 0 to 15 are ours, then a cube of 6 x 6 x 6, then 24 greys. */
function ofPalette(index: number | undefined): number | undefined {
  if (index === undefined || !Number.isInteger(index) || index < 0 || index > 255) return undefined;
  if (index < 16) return index + 1;
  if (index >= 232) return nearest(Array.from({ length: 3 }, () => 8 + (index - 232) * 10));
  const step = (part: number): number => (part === 0 ? 0 : 55 + part * 40);
  const inCube = index - 16;
  return nearest([step(Math.floor(inCube / 36)), step(Math.floor(inCube / 6) % 6), step(inCube % 6)]);
}

/** The nearest of the 16 by hue, and by lightness for greys. */
function nearest(rgb: readonly number[]): number | undefined {
  const [red = Number.NaN, green = Number.NaN, blue = Number.NaN] = rgb;
  if (![red, green, blue].every((part) => part >= 0 && part <= 255)) return undefined;
  const most = Math.max(red, green, blue);
  const least = Math.min(red, green, blue);
  if (most - least < 40) return most < 50 ? 1 : most < 140 ? 9 : most < 215 ? 8 : 16;
  const middle = (most + least) / 2;
  const index = (red > middle ? 1 : 0) | (green > middle ? 2 : 0) | (blue > middle ? 4 : 0);
  return index + 1 + (most > 200 ? 8 : 0);
}

/** The classes by which CSS shows a style; "" for plain text. */
export function classesOf(style: Style): string {
  const known = classes.get(style);
  if (known !== undefined) return known;
  const names = Object.entries(flags).flatMap(([name, flag]) => ((style & flag) === 0 ? [] : [`t-${name}`]));
  const foreground = (style >> foregroundShift) & colourMask;
  const background = (style >> backgroundShift) & colourMask;
  if (foreground > 0) names.push(`t-fg${foreground - 1}`);
  if (background > 0) names.push(`t-bg${background - 1}`);
  if ((style & errorChannel) !== 0) names.push("t-err");
  const text = names.join(" ");
  if (classes.size < 4096) classes.set(style, text);
  return text;
}

const classes = new Map<Style, string>();
