// What a conversation can be exported as.

import type { TranslationBundle } from "@jupyterlab/translation";
import { MenuSvg } from "@jupyterlab/ui-components";
import type { CommandRegistry } from "@lumino/commands";
import type { ReadonlyJSONObject } from "@lumino/coreutils";

/** The formats of exports. */
export const FORMATS = ["markdown", "html", "json", "notebook", "table"] as const;

/** A format of exports. */
export type ExportFormat = (typeof FORMATS)[number];

/** The endings of exported files. */
export const ENDINGS: Record<ExportFormat, string> = {
  markdown: "md",
  html: "html",
  json: "json",
  notebook: "ipynb",
  table: "csv",
};

/** The format that the arguments of a command name; JSON if none. */
export function formatOf({ format }: { format?: unknown }): ExportFormat {
  return FORMATS.find((known) => known === format) ?? "json";
}

/** The arguments of each command that exports, for its schema: the format, and whether it is about what is pointed at. */
export function exportArguments(trans: TranslationBundle): ReadonlyJSONObject {
  return {
    format: { type: "string", enum: [...FORMATS], description: trans.__("Absent: JSON") },
    here: { type: "boolean", description: trans.__("That whose context menu was opened") },
  };
}

/** A menu with an item for each format, that calls `command` with `args` and the format. */
export function formatsMenu(commands: CommandRegistry, command: string, args: ReadonlyJSONObject, label = ""): MenuSvg {
  const menu = new MenuSvg({ commands });
  menu.title.label = label;
  for (const format of FORMATS) menu.addItem({ command, args: { ...args, format } });
  return menu;
}

/** What a format is called. */
export function formatName(format: ExportFormat, trans: TranslationBundle): string {
  const names: Record<ExportFormat, string> = {
    markdown: "Markdown",
    html: "HTML",
    json: "JSON",
    notebook: trans.__("Notebook"),
    table: trans.__("Table (CSV)"),
  };
  return names[format];
}
