import { expect, it } from "vitest";
import { linesOf } from "../../src/lab/sidebar/diff.ts";

const told = (before: string, after: string): string[] =>
  linesOf(before, after).map(({ kind, text }) => `${{ same: " ", added: "+", removed: "-" }[kind]}${text}`);

it("a difference is told line by line", () => {
  expect(told("a\nb\nc", "a\nB\nc\nd\n")).toEqual([" a", "-b", "+B", " c", "+d"]);
});

it("lines that are blank are lines", () => {
  expect(told("a", "a\n\nb")).toEqual([" a", "+", "+b"]);
});

it("from nothing everything is added", () => {
  expect(told("", "a\nb")).toEqual(["+a", "+b"]);
});
