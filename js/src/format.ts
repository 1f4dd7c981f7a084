// Numbers and texts for people.

import { trans } from "./translation.ts";

const NUMBER = new Intl.NumberFormat("en");

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with a control character
const ANSI = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\^_])/g;

// The Markdown syntax that a line of plain text does not need. Underscores in names and asterisks in products stay.
const BLOCK_SIGNS = /^[ \t]*(?:#{1,6}[ \t]|>[ \t]?|```.*|~~~.*|\|(?:[ \t:|-]+$)?)/gm;
const INLINE_SIGNS =
  /`+([^`\n]+)`+|!?\[([^\]\n]*)\]\([^)\n]*\)|\*\*|~~|(?<![\p{L}\p{N}])[*_]+(?=[^\s*_])|(?<=[^\s*_])[*_]+(?![\p{L}\p{N}])/gu;

/** "1,234". */
export function formatNumber(value: number): string {
  return NUMBER.format(value);
}

/** "40 ms", "0.4 s", "12.3 s", "2 min 5 s". */
export function formatDuration(seconds: number): string {
  const positive = Math.max(0, seconds);
  if (positive < 0.095) return trans.__("%1 ms", Math.round(positive * 1000));
  return positive < 59.95 ? trans.__("%1 s", positive.toFixed(1)) : minutes(Math.round(positive));
}

/** A duration in whole seconds, for a running clock: "12 s", "2 min 5 s". */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  return whole < 60 ? trans.__("%1 s", whole) : minutes(whole);
}

function minutes(seconds: number): string {
  return trans.__("%1 min %2 s", Math.floor(seconds / 60), seconds % 60);
}

/** "491 MB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return trans._n("%1 byte", "%1 bytes", bytes);
  if (bytes < 1e6) return trans.__("%1 kB", Math.round(bytes / 1e3));
  return bytes < 1e9 ? trans.__("%1 MB", Math.round(bytes / 1e6)) : trans.__("%1 GB", (bytes / 1e9).toFixed(1));
}

/** "1 step", "1,234 steps". */
export function stepsInWords(count: number): string {
  return trans._n("%2 step", "%2 steps", count, formatNumber(count));
}

/** `text` without terminal escape sequences. */
export function stripAnsi(text: string): string {
  return text.includes("\u001b") ? text.replace(ANSI, "") : text;
}

/** The beginning of `text` on one line. */
export function preview(text: string): string {
  return stripAnsi(text.slice(0, 400)).replace(/\s+/g, " ").trim().slice(0, 160);
}

/** The beginning of a Markdown text on one line, without its syntax. */
export function previewMarkdown(text: string): string {
  const lines = text.slice(0, 400).replace(BLOCK_SIGNS, "");
  return preview(lines.replace(INLINE_SIGNS, (_sign, code = "", words = "") => code + words));
}
