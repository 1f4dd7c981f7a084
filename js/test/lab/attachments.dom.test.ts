import type { ICellModel } from "@jupyterlab/cells";
import { describe, expect, it } from "vitest";
import {
  type Attachment,
  attachmentOf,
  compose,
  cut,
  nameOf,
  parsePrompt,
  withAttachment,
} from "../../src/lab/sidebar/attachments.ts";
import { trans } from "../../src/translation.ts";

const CELL: Attachment = {
  file: "energy.ipynb",
  number: "3",
  language: "python",
  source: "1 / 0",
  output: "ZeroDivisionError: division by zero",
  place: { notebook: { path: "house/energy.ipynb" }, cell: "c1" },
};

function codeCell(outputs: object[]): ICellModel {
  const sharedModel = { getSource: () => "1 / 0", getId: () => "c1" };
  return { type: "code", executionCount: 3, sharedModel, outputs: { toJSON: () => outputs } } as unknown as ICellModel;
}

describe("a prompt about cells", () => {
  it("names each cell, with its source and output in fences", () => {
    expect(compose("Why?", [CELL])).toBe(
      "Why?\n\nCell [3] of energy.ipynb:\n```python\n1 / 0\n```\nIts output:\n```text\nZeroDivisionError: division by zero\n```",
    );
  });

  it("is parsed into its parts, even if a cell contains fences", () => {
    const note = {
      ...CELL,
      file: "notes: old.ipynb",
      number: "",
      source: "````\n```\nx\n```\n````\n\nCell 1:\n```\n```",
      output: "",
    };
    const { text, attached } = parsePrompt(compose("Why?\n\nReally?", [CELL, note, CELL]));
    expect(text).toBe("Why?\n\nReally?");
    expect(attached).toEqual([CELL, note, CELL].map(({ place, ...cell }) => cell));
  });

  it("is not parsed if it only looks like one", () => {
    for (const text of [
      "Why?",
      "Cell 1 is wrong",
      "Look:\n\nCell 1:\n```\nx",
      "Look:\n\nCell 1:\n```\nx\n```\nand more",
    ]) {
      expect(parsePrompt(text)).toEqual({ text, attached: [] });
    }
  });
});

describe("an attached cell", () => {
  it("has its output as text, without colours", () => {
    const attachment = attachmentOf(
      codeCell([
        { output_type: "stream", name: "stdout", text: ["a\n", "b\n"] },
        { output_type: "display_data", data: { "image/png": "AAAA", "text/plain": "<Figure>" } },
        { output_type: "error", ename: "E", evalue: "bad", traceback: ["\u001b[31mTraceback\u001b[0m", "E: bad"] },
      ]),
      { path: "house/energy.ipynb" },
      "python",
    );
    expect(nameOf(attachment, trans)).toBe("Cell [3] of energy.ipynb");
    expect(attachment.output).toBe("a\nb\n<Figure>\n(a picture, image/png)\nTraceback\nE: bad");
  });

  it.each([
    [
      "the text of a page",
      { "text/html": ["<style>p {}</style><p>Used:</p><table><tr><th>June</th><td>301</td></tr>", "<tr><td>July"] },
      "Used:\nJune\t301\nJuly",
    ],
    ["a page, not the name of its object", { "text/html": "<b>x</b>", "text/plain": "<a.B object>" }, "x"],
    ["the source of a formula", { "text/latex": "$x^2$" }, "$x^2$"],
    ["the type of what has no words", { "text/html": "<div id='plot'></div>" }, "(an output, text/html)"],
    ["a plot's data", { "application/vnd.vegalite.v5+json": { mark: "bar" } }, '{"mark":"bar"}'],
    ["words rather than a page", { "text/html": "<b>x</b>", "text/plain": "printed" }, "printed"],
    ["the name of an object, if that is all", { "text/plain": "<a.B object at 0x1f>" }, "<a.B object at 0x1f>"],
  ])("gives as its output %s", (_, data, words) => {
    const cell = codeCell([{ output_type: "display_data", data }]);
    expect(attachmentOf(cell, { path: "energy.ipynb" }, "python").output).toBe(words);
  });

  it("has the beginning and the end of a large plot's data", () => {
    const data = { "application/vnd.vega.v5+json": { data: "x".repeat(10_000) } };
    const { output } = attachmentOf(codeCell([{ output_type: "display_data", data }]), { path: "e.ipynb" }, "python");
    expect(output).toMatch(/^{"data":"x+\n… \d+ characters left out …\nx+"}$/);
    expect(output.length).toBeLessThan(2100);
  });

  it("is attached once, and separately from the same cell in a copy of its notebook", () => {
    const again = { ...CELL, source: "1 / 2" };
    const copied = { ...CELL, place: { notebook: { path: "house/energy-Copy1.ipynb" }, cell: "c1" } };
    expect(withAttachment([CELL, copied], again)).toEqual([copied, again]);
  });

  it("lacks the middle of a long output, and says so", () => {
    const text = `begin${"x".repeat(10_000)}end`;
    const short = cut(text, 100);
    expect(short).toMatch(/^beginx+\n… 9908 characters left out …\nx+end$/);
    expect(cut("short", 100)).toBe("short");
  });
});
