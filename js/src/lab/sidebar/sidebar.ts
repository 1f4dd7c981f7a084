// The content of the sidebar's panel and tabs, and the actions of the commands.

import type { JupyterFrontEnd } from "@jupyterlab/application";
import {
  Dialog,
  InputDialog,
  MainAreaWidget,
  showDialog,
  showErrorMessage,
  type WidgetTracker,
} from "@jupyterlab/apputils";
import type { INotebookTracker } from "@jupyterlab/notebook";
import type { ISettingRegistry } from "@jupyterlab/settingregistry";
import type { IStateDB } from "@jupyterlab/statedb";
import type { TranslationBundle } from "@jupyterlab/translation";
import { MenuSvg } from "@jupyterlab/ui-components";
import { UUID } from "@lumino/coreutils";
import type { Panel } from "@lumino/widgets";
import { DELETE_SESSION, EXPORT_SESSION, NOTIFY, OPEN_SESSION, RENAME_SESSION, TAB } from "../commands.ts";
import { download } from "../download.ts";
import { agentIcon } from "../icon.ts";
import { RUNNING_SESSIONS, type StatusItem } from "../status.ts";
import "../view.ts";
import { EXTENSIONS, type ExportFormat, formatsMenu } from "../formats.ts";
import { type SessionInfo, SessionsApi } from "./api.ts";
import type { Attachment } from "./attachments.ts";
import { ChatView } from "./chat-view.tsx";
import { type Conversation, Conversations } from "./conversations.ts";
import { ListView } from "./list-view.tsx";
import { METADATA } from "./mark.ts";
import { SessionList } from "./sessions.ts";

/** The key of the session in the panel in JupyterLab's state. */
const PANEL_SESSION = "reasoning-widget:panel";

/** Where a session is shown. */
export type Area = "side" | "main";

/** The parts of JupyterLab that the sidebar uses. */
export interface Host {
  app: JupyterFrontEnd;
  trans: TranslationBundle;
  panel: Panel;
  tabs: WidgetTracker<MainAreaWidget>;
  /** Whether the shell can show several tabs. */
  hasTabs: boolean;
  status: StatusItem;
  settings: ISettingRegistry.ISettings | null;
  state: IStateDB | null;
  notebooks: INotebookTracker | null;
}

/** The sidebar and the tabs with conversations. */
export class Sidebar {
  readonly #host: Host;
  readonly #api: SessionsApi;
  readonly #list: SessionList;
  readonly #conversations: Conversations;
  readonly #listView: ListView;
  #chat: ChatView | null = null;
  #runningIds = "";

  constructor(host: Host) {
    this.#host = host;
    this.#api = new SessionsApi(host.app.serviceManager.serverSettings);
    this.#list = new SessionList(this.#api);
    this.#conversations = new Conversations(
      (id) => this.#api.server(id),
      () => ({ agent: String(this.#setting("agent") ?? ""), reasoning: this.#setting("reasoning") !== false }),
    );
    this.#conversations.changed.connect(this.#progress, this);
    this.#conversations.finished.connect((_, { conversation, status }) => this.#finished(conversation, status));
    this.#listView = new ListView({
      list: this.#list,
      trans: host.trans,
      actions: {
        open: (id) => this.#openInPanel(id).focus(),
        create: () => this.#openInPanel(this.#conversations.begun?.id ?? UUID.uuid4()).focus(),
        menu: (session, button) => this.#menu(session, button),
      },
    });
    host.panel.addWidget(this.#listView);
  }

  /** Show the session that the panel showed before a reload, and follow those that had an active run. */
  async restore(): Promise<void> {
    const { state } = this.#host;
    const [shown, running] = await Promise.all([state?.fetch(PANEL_SESSION), state?.fetch(RUNNING_SESSIONS)]);
    const ids = Array.isArray(running) ? running.map(String) : [];
    this.#runningIds = String(ids);
    for (const id of ids) this.#conversations.follow(id);
    if (typeof shown === "string" && (await this.#api.has(shown)) && this.#chat === null) this.#openInPanel(shown);
  }

  /** Whether the server has the session, so that it can be renamed, exported and deleted. */
  has(id: string): boolean {
    return this.#conversations.get(id)?.isNew !== true || this.#list.sessions.some((session) => session.id === id);
  }

  /** The id of the current session: the one in the active tab, or in the panel. */
  get current(): string | null {
    const { app, tabs } = this.#host;
    const tab = tabs.currentWidget;
    const inTab = tab !== null && (app.shell.currentWidget === tab || this.#chat === null);
    return (inTab ? (tab.content as ChatView) : this.#chat)?.conversation.id ?? null;
  }

  /** Show a session, or without `id` a new one. With `known`, only if the server has it. */
  async open(id: string = UUID.uuid4(), area: Area = "side", known = false): Promise<void> {
    const { app, hasTabs, panel } = this.#host;
    if (known && !(await this.#api.has(id))) return;
    if (area === "main" && hasTabs) {
      this.#openInTab(id);
    } else {
      app.shell.activateById(panel.id);
      this.#openInPanel(id).activate();
    }
  }

  /** Attach a cell to the next prompt in the panel. If that is empty, it becomes `prompt`. */
  ask(attachment: Attachment, prompt: string): void {
    const { app, panel } = this.#host;
    app.shell.activateById(panel.id);
    const view = this.#chat ?? this.#openInPanel(UUID.uuid4());
    const { store } = view.conversation;
    view.conversation.attach(attachment);
    if (prompt && !store.reader.draft.trim()) store.composer.write(prompt);
    view.activate();
  }

  // Actions of the commands

  async rename(id: string, title?: string): Promise<void> {
    const { trans } = this.#host;
    const known = this.#titleOf(id);
    const asked = { title: trans.__("Rename session"), text: known ?? "", label: trans.__("Title") };
    const value = title ?? (await InputDialog.getText(asked)).value;
    if (value?.trim()) await this.#change(() => this.#api.rename(id, value), trans.__("The session was not renamed"));
  }

  async delete(id: string): Promise<void> {
    const { trans } = this.#host;
    const { button } = await showDialog({
      title: trans.__("Delete session?"),
      body: trans.__("“%1” and everything in it will be deleted permanently.", this.#titleOf(id) ?? id),
      buttons: [
        Dialog.cancelButton({ label: trans.__("Cancel") }),
        Dialog.warnButton({ label: trans.__("Delete"), actions: ["delete"] }),
      ],
      defaultButton: 0,
    });
    if (!button.accept) return;
    const done = await this.#change(() => this.#api.delete(id), trans.__("The session was not deleted"));
    if (!done) return;
    if (this.#chat?.conversation.id === id) this.#showList();
    this.#tab(id)?.dispose();
  }

  async export(id: string, format: ExportFormat): Promise<void> {
    const { trans } = this.#host;
    await this.#change(async () => {
      download(await this.#api.export(id, format), this.#titleOf(id) ?? id, EXTENSIONS[format]);
    }, trans.__("The session was not exported"));
  }

  /** Perform an action on the server. Resolves to whether it succeeded; otherwise the error is shown. */
  async #change(action: () => Promise<void>, failure: string): Promise<boolean> {
    try {
      await action();
    } catch (error) {
      void showErrorMessage(failure, error instanceof Error ? error.message : String(error));
      return false;
    }
    await this.#list.refresh();
    return true;
  }

  #titleOf(id: string): string | null {
    const listed = this.#list.sessions.find((session) => session.id === id)?.title;
    return this.#conversations.get(id)?.progress.title ?? listed ?? null;
  }

  // Views

  #view(id: string, back: (() => void) | null, openTab: (() => void) | null): ChatView {
    const conversation = this.#conversations.acquire(id);
    conversation.answered.connect(this.#mark, this);
    const view = new ChatView(conversation, this.#host.trans, {
      back,
      openTab,
      menu: (button) => this.#menu({ id }, button),
    });
    view.disposed.connect(() => this.#conversations.release(id));
    return view;
  }

  #openInPanel(id: string): ChatView {
    const { hasTabs, panel, state } = this.#host;
    if (this.#chat?.conversation.id === id) return this.#chat;
    const openTab = (): void => {
      this.#openInTab(id);
      this.#showList();
    };
    const view = this.#view(id, () => this.#showList(), hasTabs ? openTab : null);
    this.#chat?.dispose();
    this.#chat = view;
    this.#listView.hide();
    panel.addWidget(view);
    void state?.save(PANEL_SESSION, id);
    return view;
  }

  #showList(): void {
    this.#chat?.dispose();
    this.#chat = null;
    this.#listView.show();
    this.#listView.activate();
    void this.#host.state?.remove(PANEL_SESSION);
  }

  #openInTab(id: string): void {
    const { app, tabs } = this.#host;
    let tab = this.#tab(id);
    if (tab === undefined) {
      const content = this.#view(id, null, null);
      tab = new MainAreaWidget({ content });
      tab.id = TAB + id;
      tab.title.icon = agentIcon;
      this.#label(tab);
      app.shell.add(tab, "main");
      void tabs.add(tab);
    }
    app.shell.activateById(tab.id);
  }

  #tab(id: string): MainAreaWidget | undefined {
    return this.#host.tabs.find((tab) => tab.id === TAB + id);
  }

  /** Open the menu of a session below `button`. */
  #menu({ id }: Pick<SessionInfo, "id">, button: HTMLElement): void {
    const { app, hasTabs, trans } = this.#host;
    const menu = new MenuSvg({ commands: app.commands });
    const args = { session_id: id };
    if (hasTabs) menu.addItem({ command: OPEN_SESSION, args: { ...args, area: "main" } });
    menu.addItem({ command: RENAME_SESSION, args });
    menu.addItem({ type: "submenu", submenu: formatsMenu(app.commands, EXPORT_SESSION, args, trans.__("Export as")) });
    menu.addItem({ command: NOTIFY });
    menu.addItem({ type: "separator" });
    menu.addItem({ command: DELETE_SESSION, args });
    menu.aboutToClose.connect(() => button.focus());
    const { left, bottom } = button.getBoundingClientRect();
    menu.open(left, bottom);
  }

  // Reactions to conversations

  #progress(_: unknown, conversation: Conversation): void {
    const { status, trans } = this.#host;
    const tab = this.#tab(conversation.id);
    if (tab) this.#label(tab);
    const { running } = this.#conversations;
    const [first] = running;
    this.#saveRunning(running.map(({ id }) => id));
    if (first === undefined) status.setText("");
    else if (running.length > 1) status.setText(trans._n("%1 agent at work", "%1 agents at work", running.length));
    else status.setText(trans._n("%2: %1 step", "%2: %1 steps", first.progress.steps, first.progress.agent ?? ""));
    if (this.#listView.isVisible) void this.#list.refresh();
  }

  #saveRunning(ids: string[]): void {
    if (String(ids) === this.#runningIds) return;
    this.#runningIds = String(ids);
    void this.#host.state?.save(RUNNING_SESSIONS, ids);
  }

  /** Set the label of a tab, which shows the progress of its session. */
  #label(tab: MainAreaWidget): void {
    const { trans } = this.#host;
    const { agent, steps, title } = (tab.content as ChatView).conversation.progress;
    const name = title ?? trans.__("New session");
    tab.title.label = agent ? `● ${steps} · ${name}` : name;
    tab.title.caption = agent
      ? trans._n("%2\n%3 is at work: %1 step", "%2\n%3 is at work: %1 steps", steps, name, agent)
      : name;
  }

  #finished(conversation: Conversation, status: string): void {
    const { trans } = this.#host;
    if (status === "deleted") return;
    if (!document.hidden || this.#setting("notifications") !== true) return;
    if (!("Notification" in window) || Notification.permission !== "granted") return;
    const messages: Record<string, string> = {
      completed: trans.__("The answer is ready."),
      failed: trans.__("The run failed."),
    };
    const title = conversation.progress.title ?? trans.__("Agent session");
    const body = messages[status] ?? trans.__("The run has ended.");
    const notification = new Notification(title, { body, tag: conversation.id });
    notification.onclick = () => {
      window.focus();
      if (this.#tab(conversation.id)) this.#openInTab(conversation.id);
      else void this.open(conversation.id);
    };
  }

  /** Mark the attached cells in their notebooks with the session and the step. */
  #mark({ id }: Conversation, { cells, step }: { cells: readonly Attachment[]; step: string }): void {
    for (const { place } of cells) {
      const notebook = this.#host.notebooks?.find(({ context }) => context.path === place?.notebook.path);
      const model = notebook?.content.widgets.find(({ model }) => model.sharedModel.getId() === place?.cell)?.model;
      model?.setMetadata(METADATA, { session: id, step });
    }
  }

  #setting(name: string): unknown {
    return this.#host.settings?.get(name).composite;
  }
}
