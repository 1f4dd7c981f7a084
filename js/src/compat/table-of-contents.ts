// JupyterLab 4: the table of contents leaves out cells that show a transcript.
//
// It lists the headings of HTML in outputs. The HTML of a transcript is not what is shown, so its headings would lead
// nowhere, and collecting those of a long transcript blocks the page whenever the notebook is opened or saved.
// `CodeCell.getHeadings` is public, but replacing it is not: there is no other way to exclude an output.
// Canary: `test/compat/jupyterlab.test.ts`; in a real JupyterLab, `tests/browser/test_long.py`.

import { CodeCell } from "@jupyterlab/cells";
import type { IOutputModel } from "@jupyterlab/rendermime";
import { SESSION_MIME } from "../protocol/frames.ts";

/** Leave cells that show a transcript out of the table of contents from now on. */
export function leaveOutTranscripts(): void {
  const { getHeadings } = CodeCell.prototype;
  CodeCell.prototype.getHeadings = async function (this: CodeCell) {
    return showsTranscript(this) ? [] : getHeadings.call(this);
  };
}

function showsTranscript({ model: { outputs } }: CodeCell): boolean {
  for (let index = 0; index < outputs.length; index++) if (isTranscript(outputs.get(index))) return true;
  return false;
}

/** Whether outputs are transcripts. Headings are collected often, and reading an output's data copies it. */
const known = new WeakMap<IOutputModel, boolean>();

function isTranscript(output: IOutputModel): boolean {
  const is = known.get(output) ?? SESSION_MIME in output.data;
  known.set(output, is);
  return is;
}
