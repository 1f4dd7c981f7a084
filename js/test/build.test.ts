import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
let built: string;
const read = (name: string): Buffer => readFileSync(join(built, name));

beforeAll(() => {
  built = mkdtempSync(join(tmpdir(), "reasoning-widget-"));
  execFileSync("node", ["scripts/build.mjs", built], { cwd: root });
});
afterAll(() => rmSync(built, { recursive: true }));

describe("the built files", () => {
  it("style nothing outside of the widget", () => {
    const css = read("widget.css").toString();
    let depth = 0;
    let outer = "";
    const tops: string[] = [];
    for (const character of css) {
      if (character === "{" && depth++ === 0) tops.push(outer.trim());
      if (depth === 0 && character !== "}") outer += character;
      if (character === "}" && --depth === 0) outer = "";
    }
    expect(tops.length).toBeGreaterThan(10);
    const foreign = tops.filter((top) => !top.startsWith("@keyframes rw-"));
    for (const selector of foreign.flatMap((top) => top.split(","))) expect(selector).toContain(".reasoning-widget");
  });

  it("fetch nothing from elsewhere", () => {
    for (const name of ["loader.js", "widget.js", "run.js", "math.js", "highlight.js", "socket.js", "widget.css"]) {
      expect(read(name).toString()).not.toMatch(/(?:import\s*\(?|from|url\()\s*["'](?:https?:)?\/\//);
    }
  });
});
