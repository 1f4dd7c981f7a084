// The ids of the commands.

export const SHOW_PANEL = "reasoning-widget:show-panel";
export const NEW_SESSION = "reasoning-widget:new-session";
export const OPEN_SESSION = "reasoning-widget:open-session";
export const RENAME_SESSION = "reasoning-widget:rename-session";
export const DELETE_SESSION = "reasoning-widget:delete-session";
export const EXPORT_SESSION = "reasoning-widget:export-session";
export const EXPORT_TRANSCRIPT = "reasoning-widget:export-transcript";
export const NOTIFY = "reasoning-widget:toggle-notifications";
export const ASK_ABOUT_CELL = "reasoning-widget:ask-about-cell";
export const EXPLAIN_ERROR = "reasoning-widget:explain-error";
export const INSERT_CODE = "reasoning-widget:insert-code";
export const REPLACE_CELL = "reasoning-widget:replace-cell";

/** The commands in the palette, besides the exports. */
export const IN_PALETTE = [
  SHOW_PANEL,
  NEW_SESSION,
  RENAME_SESSION,
  DELETE_SESSION,
  NOTIFY,
  ASK_ABOUT_CELL,
  EXPLAIN_ERROR,
];

/** The prefix of the widget ids of tabs; the session's id follows. */
export const TAB = "reasoning-widget-session-";
