// The formats in which a conversation can be exported.

import type { TranslationBundle } from "@jupyterlab/translation";
import { MenuSvg } from "@jupyterlab/ui-components";
import type { CommandRegistry } from "@lumino/commands";
import type { ReadonlyJSONObject } from "@lumino/coreutils";

/** The formats of exports. */
export const FORMATS = ["markdown", "html", "json", "notebook", "table"] as const;

/** A format of exports. */
export type ExportFormat = (typeof FORMATS)[number];

/** The file extensions of the formats. */
export const EXTENSIONS: Record<ExportFormat, string> = {
  markdown: "md",
  html: "html",
  json: "json",
  notebook: "ipynb",
  table: "csv",
};

/** The format in the arguments of a command; JSON if there is none. */
export function formatOf({ format }: { format?: unknown }): ExportFormat {
  return FORMATS.find((known) => known === format) ?? "json";
}

/** The schema of the arguments of export commands: the format, and whether to export the target of the context menu. */
export function exportArguments(trans: TranslationBundle): ReadonlyJSONObject {
  return {
    format: { type: "string", enum: [...FORMATS], description: trans.__("Absent: JSON") },
    here: { type: "boolean", description: trans.__("Export the one whose context menu was opened") },
  };
}

/** A menu with an item for each format, which executes `command` with `args` and the format. */
export function formatsMenu(commands: CommandRegistry, command: string, args: ReadonlyJSONObject, label = ""): MenuSvg {
  const menu = new MenuSvg({ commands });
  menu.title.label = label;
  for (const format of FORMATS) menu.addItem({ command, args: { ...args, format } });
  return menu;
}

/** The name of a format, as it is shown. */
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
