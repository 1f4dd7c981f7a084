import type { ICellModel } from "@jupyterlab/cells";
import { describe, expect, it } from "vitest";
import { type Attachment, attachmentOf, compose, cut, takeApart } from "../../src/lab/sidebar/attachments.ts";

const CELL: Attachment = {
  name: "Cell [3] of energy.ipynb",
  language: "python",
  source: "1 / 0",
  output: "ZeroDivisionError: division by zero",
  path: "house/energy.ipynb",
  cell: "c1",
};

function codeCell(outputs: object[]): ICellModel {
  const sharedModel = { getSource: () => "1 / 0", getId: () => "c1" };
  return { type: "code", executionCount: 3, sharedModel, outputs: { toJSON: () => outputs } } as unknown as ICellModel;
}

describe("a question about cells", () => {
  it("names each cell, and fences its source and its output", () => {
    expect(compose("Why?", [CELL])).toBe(
      "Why?\n\nCell [3] of energy.ipynb:\n```python\n1 / 0\n```\nIts output:\n```text\nZeroDivisionError: division by zero\n```",
    );
  });

  it("is taken apart into what was put together, also where a cell has fences itself", () => {
    const note = {
      ...CELL,
      name: "Cell of notes.ipynb",
      source: "````\n```\nx\n```\n````\n\nCell 1:\n```\n```",
      output: "",
    };
    const { text, attached } = takeApart(compose("Why?\n\nReally?", [CELL, note, CELL]));
    expect(text).toBe("Why?\n\nReally?");
    expect(attached.map(({ name }) => name)).toEqual([CELL.name, note.name, CELL.name]);
    expect(attached[1]?.content).toContain(note.source);
  });

  it("is left alone where it only looks like one", () => {
    for (const text of [
      "Why?",
      "Cell 1 is wrong",
      "Look:\n\nCell 1:\n```\nx",
      "Look:\n\nCell 1:\n```\nx\n```\nand more",
    ]) {
      expect(takeApart(text)).toEqual({ text, attached: [] });
    }
  });
});

describe("a cell that is attached", () => {
  it("says what it gave, without colours", () => {
    const { name, output } = attachmentOf(
      codeCell([
        { output_type: "stream", name: "stdout", text: ["a\n", "b\n"] },
        { output_type: "display_data", data: { "image/png": "AAAA", "text/plain": "<Figure>" } },
        { output_type: "error", ename: "E", evalue: "bad", traceback: ["\u001b[31mTraceback\u001b[0m", "E: bad"] },
      ]),
      "house/energy.ipynb",
      "python",
    );
    expect(name).toBe("Cell [3] of energy.ipynb");
    expect(output).toBe("a\nb\n<Figure>\n(a picture, image/png)\nTraceback\nE: bad");
  });

  it("loses the middle of an output that is too long, and says so", () => {
    const text = `begin${"x".repeat(10_000)}end`;
    const short = cut(text, 100);
    expect(short).toMatch(/^beginx+\n… 9908 characters left out …\nx+end$/);
    expect(cut("short", 100)).toBe("short");
  });
});
