// Numbers and texts for people.

const NUMBER = new Intl.NumberFormat("en");

// biome-ignore lint/suspicious/noControlCharactersInRegex: terminal sequences begin with one
const ANSI = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\^_])/g;

/** "1,234". */
export function formatNumber(value: number): string {
  return NUMBER.format(value);
}

/** "40 ms", "0.4 s", "12.3 s", "2 min 5 s". */
export function formatDuration(seconds: number): string {
  const known = Math.max(0, seconds);
  if (known < 0.095) return `${Math.round(known * 1000)} ms`;
  return known < 59.95 ? `${known.toFixed(1)} s` : minutes(Math.round(known));
}

/** The same, for a clock that runs: whole seconds. */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  return whole < 60 ? `${whole} s` : minutes(whole);
}

function minutes(seconds: number): string {
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** "491 MB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** "1 step", "2 steps". */
export function count(number: number, noun: string): string {
  return `${formatNumber(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** `text` without the sequences that colour it in a terminal. */
export function stripAnsi(text: string): string {
  return text.includes("\u001b") ? text.replace(ANSI, "") : text;
}

/** The first words of `text`, in a line. */
export function preview(text: string): string {
  return stripAnsi(text.slice(0, 400)).replace(/\s+/g, " ").trim().slice(0, 160);
}

/** The same of Markdown, without its signs. */
export function previewMarkdown(text: string): string {
  return preview(text.slice(0, 400).replace(/[*`#>|_~]+/g, ""));
}
