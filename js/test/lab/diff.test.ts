import { expect, it } from "vitest";
import { linesOf } from "../../src/lab/sidebar/diff.ts";

const told = (before: string, after: string): string[] =>
  linesOf(before, after).map(({ kind, text }) => `${{ same: " ", added: "+", removed: "-" }[kind]}${text}`);

it("a difference consists of lines", () => {
  expect(told("a\nb\nc", "a\nB\nc\nd\n")).toEqual([" a", "-b", "+B", " c", "+d"]);
});

it("blank lines are lines", () => {
  expect(told("a", "a\n\nb")).toEqual([" a", "+", "+b"]);
});

it("everything is added to an empty text", () => {
  expect(told("", "a\nb")).toEqual(["+a", "+b"]);
});
