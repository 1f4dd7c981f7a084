import { defineConfig } from "vitest/config";
import { SLIMMED, slim } from "./scripts/slim.mjs";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [
    {
      // The libraries as they are shipped.
      name: "slim-libraries",
      transform: (source, id) => (SLIMMED.test(id) ? slim(id, source) : null),
    },
  ],
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    environment: "jsdom",
    server: { deps: { inline: ["dompurify", "marked"] } },
    // The DOM of the tests is slow, and the machine may be busy: a test that hangs is ended, none is judged by its time.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
