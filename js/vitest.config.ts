import { defineConfig } from "vitest/config";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    environment: "jsdom",
    // The DOM of the tests is slow, and the machine may be busy: a test that hangs is ended, none is judged by its time.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
