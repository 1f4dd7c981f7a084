// JupyterLab's table of contents lists the headings of HTML in outputs. That of a transcript is not what is shown, so they
// would lead nowhere; and to look for them in a long one stops the page for long, whenever it is opened or saved.

import { CodeCell } from "@jupyterlab/cells";
import type { IOutputModel } from "@jupyterlab/rendermime";
import { SESSION_MIME } from "../protocol/frames.ts";

/** From now on, the table of contents leaves out cells that show a transcript. */
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

/** Which outputs are transcripts: what an output holds is copied whenever it is asked for, and headings are often. */
const known = new WeakMap<IOutputModel, boolean>();

function isTranscript(output: IOutputModel): boolean {
  const is = known.get(output) ?? SESSION_MIME in output.data;
  known.set(output, is);
  return is;
}
