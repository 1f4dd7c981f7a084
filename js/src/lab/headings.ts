// JupyterLab's table of contents lists the headings of HTML in outputs. That of a transcript is not what is shown, so they
// would lead nowhere; and to look for them in a long one stops the page for long, whenever it is opened or saved.

import { CodeCell } from "@jupyterlab/cells";
import { SESSION_MIME } from "../protocol/frames.ts";

/** From now on, the table of contents leaves out cells that show a transcript. */
export function leaveOutTranscripts(): void {
  const { getHeadings } = CodeCell.prototype;
  CodeCell.prototype.getHeadings = async function (this: CodeCell) {
    return showsTranscript(this) ? [] : getHeadings.call(this);
  };
}

function showsTranscript({ model: { outputs } }: CodeCell): boolean {
  for (let index = 0; index < outputs.length; index++) if (SESSION_MIME in outputs.get(index).data) return true;
  return false;
}
