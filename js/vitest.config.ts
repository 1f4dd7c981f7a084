import { defineConfig } from "vitest/config";

/** What needs a DOM, which takes long to start, is in files of this name; what builds the package is in `build.test.ts`. */
const DOM = "test/**/*.dom.test.{ts,tsx}";
const BUILD = "test/build.test.ts";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: {
    // The DOM of the tests is slow, and the machine may be busy: a test that hangs is ended, none is judged by its time.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      { extends: true, test: { name: "node", include: ["test/**/*.test.{ts,tsx}"], exclude: [DOM, BUILD] } },
      { extends: true, test: { name: "dom", include: [DOM], environment: "jsdom" } },
      { extends: true, test: { name: "build", include: [BUILD] } },
    ],
  },
});
