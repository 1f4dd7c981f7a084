// JupyterLab 4 and Notebook 7: class names of their elements, which are no documented interface.
//
// Without them the focus is lost when an output is drawn again, Escape does not leave the composer for its cell, and the
// status bar item and the text of a transcript look foreign. Canary: `test/compat/jupyterlab.test.ts`.

/** The element that contains the outputs of a cell. */
export const OUTPUT_AREA = "jp-OutputArea";
/** The element of a cell, which takes the focus in command mode. */
export const CELL = "jp-Cell";
/** The style of HTML in outputs. */
export const RENDERED_HTML = "jp-RenderedHTMLCommon";
/** The style of texts in the status bar. */
export const STATUS_TEXT = "jp-StatusBar-TextItem";
