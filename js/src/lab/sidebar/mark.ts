// How a cell says why it is there.

/** The key in a cell's metadata; its value names the session and the step. */
export const METADATA = "reasoning_widget";
