import { expect, test } from "vitest";
import { previewMarkdown } from "../src/format.ts";

test.each([
  [
    "Some **bold**, *leaning*, __strong__, _soft_ and ~~gone~~ words",
    "Some bold, leaning, strong, soft and gone words",
  ],
  ["a [link](https://example.org), ![a plot](plot.png)", "a link, a plot"],
  ["It says so [reports/energy.md:7-9].", "It says so [reports/energy.md:7-9]."],
  ["# A title\n\n> quoted\n\n```python\nx = 1\n```", "A title quoted x = 1"],
  ["| a | b |\n| --- | :-: |\n| 1 | 2 |", "a | b | 1 | 2 |"],
  ["I call search_files, then `__init__` and my_own_tool()", "I call search_files, then __init__ and my_own_tool()"],
  ["2 * 3 > 5, about ~6; a|b, issue #7, 2*x*y", "2 * 3 > 5, about ~6; a|b, issue #7, 2*x*y"],
  ["an **unfinis", "an unfinis"],
])("of Markdown a folded card shows the words: %s", (text, shown) => {
  expect(previewMarkdown(text)).toBe(shown);
});
