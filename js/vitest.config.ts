import { defineConfig } from "vitest/config";
import { SANITIZER, withoutLists } from "./scripts/slim.mjs";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [
    {
      // The sanitizer as it is shipped.
      name: "slim-sanitizer",
      transform: (source, id) => (SANITIZER.test(id) ? withoutLists(source) : null),
    },
  ],
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    environment: "jsdom",
    server: { deps: { inline: ["dompurify"] } },
    // The DOM of the tests is slow, and the machine may be busy: a test that hangs is ended, none is judged by its time.
    testTimeout: 120_000,
  },
});
