// Marks cells that belong to a session: they contain code of an answer, or were attached to a prompt.

/** The key in a cell's metadata. Its value contains the ids of the session and the step. */
export const METADATA = "reasoning_widget";
