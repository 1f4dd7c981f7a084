import { expect, it } from "vitest";
import { sizeWarnings } from "../../scripts/sizes.mjs";

const BUDGETS = [
  { name: "The core", files: ["core.js", "core.css"], bytes: 100, gzipped: true },
  { name: "The loader", files: ["loader.js"], bytes: 10 },
];

it("warns when files exceed their budget, with both sizes", () => {
  const built = new Map([["loader.js", "12345678901"]]);
  expect(sizeWarnings(built, BUDGETS)).toEqual(["The loader (loader.js) has 11 bytes; its budget is 10."]);
});

it("is silent about files within their budget", () => {
  const built = new Map([["loader.js", "1234567890"]]);
  expect(sizeWarnings(built, BUDGETS)).toEqual([]);
});

it("counts files together and compressed where the budget says so", () => {
  const compressible = new Map([
    ["core.js", "x".repeat(1000)],
    ["core.css", "x".repeat(1000)],
  ]);
  expect(sizeWarnings(compressible, BUDGETS)).toEqual([]);
  const letters = Array.from({ length: 300 }, (_, index) => String.fromCharCode(33 + ((index * index * 31) % 90))).join(
    "",
  );
  const incompressible = new Map([
    ["core.js", letters],
    ["core.css", letters.split("").reverse().join("")],
  ]);
  expect(sizeWarnings(incompressible, BUDGETS)).toEqual([
    expect.stringMatching(/^The core \(core\.js, core\.css\) has \d+ bytes compressed; its budget is 100\.$/),
  ]);
});
