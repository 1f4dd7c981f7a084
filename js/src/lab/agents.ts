// The plugin of the sidebar: conversations with agents on the server, beside the notebook and in tabs. The sidebar itself is
// loaded when it is first shown.

import { ILabShell, ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette, type MainAreaWidget, WidgetTracker } from "@jupyterlab/apputils";
import { ILauncher } from "@jupyterlab/launcher";
import { INotebookTracker } from "@jupyterlab/notebook";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { IStateDB } from "@jupyterlab/statedb";
import { IStatusBar } from "@jupyterlab/statusbar";
import { ITranslator } from "@jupyterlab/translation";
import type { Message } from "@lumino/messaging";
import { Panel } from "@lumino/widgets";
import { addCellCommands } from "./cell-commands.ts";
import * as commands from "./commands.ts";
import { FORMATS } from "./formats.ts";
import { agentIcon } from "./icon.ts";
import { loadSidebar } from "./lazy.ts";
import { addSessionCommands } from "./session-commands.ts";
import type { Sidebar } from "./sidebar/sidebar.ts";
import { RUNNING_SESSIONS, StatusItem } from "./status.ts";
import { loadTranslations } from "./translations.ts";

const ID = "reasoning-widget:plugin";
const PANEL = "reasoning-widget-panel";
const NAMESPACE = "reasoning-widget-sessions";

/** The panel that contains the sidebar. `fill` loads it when the panel is first shown. */
class AgentPanel extends Panel {
  constructor(readonly fill: () => Promise<unknown>) {
    super();
    this.id = PANEL;
    this.node.style.overflow = "hidden";
    this.node.style.minWidth = "300px";
  }

  protected override onBeforeShow(message: Message): void {
    super.onBeforeShow(message);
    void this.fill();
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    void this.fill().then(() => this.widgets.find((widget) => !widget.isHidden)?.activate());
  }
}

/** The plugin with the sidebar, its commands and its status bar item. */
export const agents: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "Conversations with agents in a sidebar and in tabs",
  autoStart: true,
  optional: [
    ICommandPalette,
    ILabShell,
    ILauncher,
    ILayoutRestorer,
    INotebookTracker,
    ISettingRegistry,
    IStateDB,
    IStatusBar,
    ITranslator,
  ],
  activate: (
    app: JupyterFrontEnd,
    palette: ICommandPalette | null,
    labShell: ILabShell | null,
    launcher: ILauncher | null,
    restorer: ILayoutRestorer | null,
    notebooks: INotebookTracker | null,
    registry: ISettingRegistry | null,
    state: IStateDB | null,
    statusBar: IStatusBar | null,
    translator: ITranslator | null,
  ): void => {
    const trans = loadTranslations(translator);
    const loadSettings = registry?.load(ID).catch(() => null) ?? Promise.resolve(null);
    const tabs = new WidgetTracker<MainAreaWidget>({ namespace: NAMESPACE });
    const showPanel = (): void => void app.commands.execute(commands.SHOW_PANEL);
    const status = new StatusItem(trans.__("Show agent sessions"), showPanel);
    const panel = new AgentPanel(() => getSidebar());
    panel.title.icon = agentIcon;
    panel.title.caption = trans.__("Agent Sessions");
    panel.node.setAttribute("role", "region");
    panel.node.setAttribute("aria-label", trans.__("Agent Sessions"));

    let ready: Sidebar | null = null;
    let made: Promise<Sidebar> | null = null;
    const make = async (): Promise<Sidebar> => {
      const [{ Sidebar }, settings] = await Promise.all([loadSidebar(), loadSettings]);
      const hasTabs = labShell !== null;
      ready = new Sidebar({ app, trans, panel, tabs, hasTabs, status, settings, state, notebooks });
      await ready.restore();
      return ready;
    };
    const getSidebar = (): Promise<Sidebar> => {
      made ??= make();
      return made;
    };
    void state?.fetch(RUNNING_SESSIONS).then((ids) => {
      if (Array.isArray(ids) && ids.length > 0) void getSidebar();
    });
    addSessionCommands({
      app,
      trans,
      panel,
      loadSettings,
      sidebar: getSidebar,
      current: () => ready?.current ?? null,
      has: (id) => ready?.has(id) ?? true,
    });
    if (notebooks !== null) addCellCommands({ app, trans, notebooks, sidebar: getSidebar });
    app.shell.add(panel, "right", { rank: 900, type: "Agent Sessions" });
    restorer?.add(panel, PANEL);
    void restorer?.restore(tabs, {
      command: commands.OPEN_SESSION,
      args: (tab) => ({ session_id: idOf(tab), area: "main", known: true }),
      name: idOf,
    });
    statusBar?.registerStatusItem("reasoning-widget:status", {
      item: status,
      align: "left",
      rank: 200,
      isActive: () => status.active,
      activeStateChanged: status.activeChanged,
    });
    // Without a category it appears under JupyterLab's own category for other cards, in any language.
    launcher?.add({ command: commands.NEW_SESSION, args: { area: "main" }, rank: 0 });
    const category = trans.__("Agents");
    for (const command of commands.IN_PALETTE) palette?.addItem({ command, category });
    for (const format of FORMATS) {
      palette?.addItem({ command: commands.EXPORT_SESSION, args: { format }, category });
    }
  },
};

/** The id of the session in a tab, which is part of the widget's id. */
function idOf(tab: MainAreaWidget): string {
  return tab.id.slice(commands.TAB.length);
}
