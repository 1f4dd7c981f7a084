// The commands that open, rename, export and delete sessions.

import type { JupyterFrontEnd } from "@jupyterlab/application";
import { showErrorMessage } from "@jupyterlab/apputils";
import type { ISettingRegistry } from "@jupyterlab/settingregistry";
import type { TranslationBundle } from "@jupyterlab/translation";
import type { CommandRegistry } from "@lumino/commands";
import type { Panel } from "@lumino/widgets";
import * as commands from "./commands.ts";
import { exportArguments, formatName, formatOf, formatsMenu } from "./formats.ts";
import { agentIcon } from "./icon.ts";
import type { Area, Sidebar } from "./sidebar/sidebar.ts";

/** The parts of JupyterLab and of the extension that the commands use. */
export interface SessionHost {
  app: JupyterFrontEnd;
  trans: TranslationBundle;
  panel: Panel;
  loadSettings: Promise<ISettingRegistry.ISettings | null>;
  sidebar: () => Promise<Sidebar>;
  /** The id of the current session: the one in the active tab, or in the sidebar. */
  current: () => string | null;
  /** Whether the server has the session. */
  has: (id: string) => boolean;
}

/** Add the commands for sessions. */
export function addSessionCommands(host: SessionHost): void {
  const { app, trans, panel, sidebar, current } = host;
  const add = (id: string, options: CommandRegistry.ICommandOptions): unknown => app.commands.addCommand(id, options);
  const session = {
    type: "string",
    pattern: "^[A-Za-z0-9_-]{1,128}$",
    description: trans.__("The session's id. Absent: the current session"),
  };
  const area = {
    type: "string",
    enum: ["side", "main"],
    description: trans.__("Where it is shown: in the sidebar, or in a tab of the main area"),
  };
  const known = { type: "boolean", description: trans.__("Only if the server has the session") };
  const idOf = (args: { session_id?: unknown }): string | null =>
    typeof args.session_id === "string" ? args.session_id : current();
  const isEnabled = (args: { session_id?: unknown }): boolean => isKnown(host, idOf(args));

  add(commands.SHOW_PANEL, {
    label: trans.__("Agent Sessions"),
    caption: trans.__("Show the sidebar with the conversations with agents"),
    describedBy: { args: { type: "object", properties: {} } },
    execute: () => app.shell.activateById(panel.id),
  });
  add(commands.NEW_SESSION, {
    label: ({ area }) => (area === "main" ? trans.__("Agent Session") : trans.__("New Agent Session")),
    caption: trans.__("Start a conversation with an agent on the server"),
    icon: agentIcon,
    describedBy: { args: { type: "object", properties: { area } } },
    execute: async ({ area }) => (await sidebar()).open(undefined, area as Area | undefined),
  });
  add(commands.OPEN_SESSION, {
    label: ({ area }) => (area === "main" ? trans.__("Open in a Tab") : trans.__("Open Agent Session")),
    caption: trans.__("Show a conversation with an agent"),
    describedBy: { args: { type: "object", properties: { session_id: session, area, known } } },
    isEnabled: (args) => idOf(args) !== null,
    execute: async (args) =>
      (await sidebar()).open(idOf(args) ?? undefined, args.area as Area | undefined, args.known === true),
  });
  add(commands.RENAME_SESSION, {
    label: ({ session_id }) => (session_id ? trans.__("Rename…") : trans.__("Rename Agent Session…")),
    caption: trans.__("Give the conversation another title"),
    describedBy: {
      args: {
        type: "object",
        properties: {
          session_id: session,
          title: { type: "string", description: trans.__("The new title. Absent: ask for it") },
        },
      },
    },
    isEnabled,
    execute: async (args) => (await sidebar()).rename(idOf(args) ?? "", args.title as string | undefined),
  });
  add(commands.DELETE_SESSION, {
    label: ({ session_id }) => (session_id ? trans.__("Delete…") : trans.__("Delete Agent Session…")),
    caption: trans.__("Delete the conversation from the server, after asking"),
    describedBy: { args: { type: "object", properties: { session_id: session } } },
    isEnabled,
    execute: async (args) => (await sidebar()).delete(idOf(args) ?? ""),
  });
  addExport(host, session, idOf);
  addNotify(host);
}

/** Whether there is a session and the server has it, so that it can be renamed, exported and deleted. */
function isKnown({ has }: SessionHost, id: string | null): boolean {
  return id !== null && has(id);
}

function addExport(host: SessionHost, session: object, idIn: (args: object) => string | null): void {
  const { app, trans, sidebar } = host;
  const idOf = (args: { here?: unknown }): string | null => {
    if (!args.here) return idIn(args);
    return app.contextMenuHitTest(({ dataset }) => "sessionId" in dataset)?.dataset.sessionId ?? null;
  };
  app.commands.addCommand(commands.EXPORT_SESSION, {
    label: (args) => {
      const name = formatName(formatOf(args), trans);
      return args.session_id || args.here ? name : trans.__("Export Agent Session as %1", name);
    },
    caption: trans.__("Save the conversation as a file"),
    describedBy: {
      args: {
        type: "object",
        properties: { session_id: { ...session }, ...exportArguments(trans) },
      },
    },
    isEnabled: (args) => isKnown(host, idOf(args)),
    execute: async (args) => (await sidebar()).export(idOf(args) ?? "", formatOf(args)),
  });
  app.contextMenu.addItem({
    type: "submenu",
    submenu: formatsMenu(app.commands, commands.EXPORT_SESSION, { here: true }, trans.__("Export as")),
    selector: ".rw-lab-chat",
  });
}

/** Add the command for notifications. Browsers ask for permission only in response to an action of the person. */
function addNotify({ app, trans, loadSettings }: SessionHost): void {
  let settings: ISettingRegistry.ISettings | null = null;
  const isOn = (): boolean => settings?.get("notifications").composite === true;
  void loadSettings.then((loaded) => {
    settings = loaded;
    loaded?.changed.connect(() => app.commands.notifyCommandChanged(commands.NOTIFY));
  });
  app.commands.addCommand(commands.NOTIFY, {
    label: trans.__("Notify Me When an Agent Has Finished"),
    caption: trans.__("Show a notification of the browser when a run ends while the page is hidden"),
    describedBy: { args: { type: "object", properties: {} } },
    isToggleable: true,
    isToggled: isOn,
    isEnabled: () => settings !== null,
    execute: async () => {
      const problem = isOn() ? "" : await requestPermission(trans);
      if (problem) await showErrorMessage(trans.__("Notifications cannot be shown"), problem);
      else await settings?.set("notifications", !isOn());
    },
  });
}

/** Request the permission to notify. Resolves to the reason if it is not given, otherwise to an empty text. */
async function requestPermission(trans: TranslationBundle): Promise<string> {
  if (!("Notification" in window)) {
    return trans.__("This browser does not support notifications, or only on pages served over HTTPS.");
  }
  if ((await Notification.requestPermission()) === "granted") return "";
  return trans.__("The browser blocks them. Allow notifications for this site in its settings, then try again.");
}
