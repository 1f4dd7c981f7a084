import { defineConfig } from "vitest/config";

/** Tests that need a DOM, which starts slowly, are in files with this name; the test that runs the build is apart. */
const DOM = "test/**/*.dom.test.{ts,tsx}";
const BUILD = "test/build.test.ts";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: {
    // Each file has globals and modules of its own, but no process of its own: jsdom is loaded once per core.
    pool: "vmThreads",
    // jsdom is slow, and the machine may be busy: a timeout ends a test that hangs, and judges no other.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      { extends: true, test: { name: "node", include: ["test/**/*.test.{ts,tsx}"], exclude: [DOM, BUILD] } },
      { extends: true, test: { name: "dom", include: [DOM], environment: "jsdom" } },
      { extends: true, test: { name: "build", include: [BUILD], pool: "forks" } },
    ],
  },
});
