// The sessions that this page follows: each has one store and one socket, for any number of views.

import { Signal } from "@lumino/signaling";
import { Store } from "../../store/store.ts";
import { connect, type Server } from "../../transport/socket.ts";
import { type Attachment, compose, parsePrompt, withAttachment } from "./attachments.ts";

/** The settings of new conversations. */
export interface Defaults {
  /** The agent's name; empty for the server's default. */
  agent: string;
  reasoning: boolean;
}

/** The state of a conversation that tabs and the status bar show. */
export interface Progress {
  /** The session's title; null until it has one. */
  title: string | null;
  /** The agent of the active run; null if there is none. */
  agent: string | null;
  /** The number of steps of the active run. */
  steps: number;
  /** Whether prompts are queued, or wait for the connection. */
  waiting: boolean;
}

/** A session that this page follows. */
export class Conversation {
  readonly store = new Store();
  /** Emitted when the progress or the attachments have changed. */
  readonly changed = new Signal<this, void>(this);
  /** Emitted with the status of a followed run that has ended; "deleted" if its session was deleted. */
  readonly finished = new Signal<this, string>(this);
  /** Emitted with the first step of a run, if cells were attached to its prompt. */
  readonly answered = new Signal<this, { cells: readonly Attachment[]; step: string }>(this);
  progress: Progress = { title: null, agent: null, steps: 0, waiting: false };
  attachments: readonly Attachment[] = [];
  #sending: readonly Attachment[] = [];
  /** The cells attached to messages whose runs have no steps yet, by message id. */
  readonly #sent = new Map<string, readonly Attachment[]>();
  #run: string | null = null;
  #chosen = false;
  #stopFollowing: () => void = () => {};
  readonly #ends: (() => void)[];

  constructor(
    readonly id: string,
    server: Server,
    defaults: Defaults,
  ) {
    const { store } = this;
    store.composer.reasoning = defaults.reasoning;
    store.extras = {
      compose: (text) => {
        this.#sending = this.attachments;
        return compose(text, this.#sending);
      },
      sent: (message) => {
        if (this.#sending.length > 0) this.#sent.set(message, this.#sending);
        this.#attach([]);
      },
      recall: (text, message) => {
        const prompt = parsePrompt(text);
        if (message !== undefined) {
          for (const cell of this.#sent.get(message) ?? prompt.attached) this.attach(cell);
          this.#sent.delete(message);
        }
        return prompt.text;
      },
    };
    this.#ends = [
      store.on("chat", () => this.#update()),
      store.on("composer", () => this.#choose(defaults.agent)),
      connect(server, store),
    ];
  }

  /** Whether it has no prompts yet: the server does not store such sessions. */
  get isNew(): boolean {
    const { messages, title } = this.store.transcript;
    return messages.length === 0 && title === null && !this.progress.waiting;
  }

  /** Whether nothing is lost if it is no longer followed. */
  get idle(): boolean {
    const { attachments, progress, store } = this;
    if (store.deleted) return true;
    if (progress.agent !== null || progress.waiting || attachments.length > 0) return false;
    const begun = store.reader.draft.trim() !== "" || store.reader.attachments.length > 0;
    return !this.isNew || !begun; // drafts of sessions that the server has are kept in the page
  }

  /** Attach a cell to the next prompt. An earlier attachment of the same cell is replaced. */
  attach(attachment: Attachment): void {
    this.#attach(withAttachment(this.attachments, attachment));
  }

  /** Remove an attached cell. */
  remove(attachment: Attachment): void {
    this.#attach(this.attachments.filter((other) => other !== attachment));
  }

  close(): void {
    this.#stopFollowing();
    for (const end of this.#ends) end();
    this.store.close();
    Signal.clearData(this);
  }

  #attach(attachments: readonly Attachment[]): void {
    this.attachments = attachments;
    this.changed.emit();
  }

  /** Once the agents are known, choose that of the latest run, or else the default, once. */
  #choose(agent: string): void {
    const { store } = this;
    if (store.agents.length === 0) return;
    const wanted = store.transcript.runs.at(-1)?.agent_name ?? agent;
    const choose = !this.#chosen && wanted !== store.composer.agent && store.agents.some(({ name }) => name === wanted);
    this.#chosen = true;
    if (choose) store.composer.chooseAgent(wanted);
  }

  #update(): void {
    const { store } = this;
    const { title, messages } = store.transcript;
    const run = store.activeRun;
    if (run?.run_id !== this.#run) this.#follow(run?.run_id ?? null);
    this.#emitAnswered();
    const progress = {
      title: title ?? messages[0]?.content.split("\n")[0]?.slice(0, 60) ?? null,
      agent: run?.agent_name ?? null,
      steps: run?.steps.length ?? 0,
      waiting:
        store.composer.unsent.length > 0 ||
        messages.some(({ run_id, withdrawn }) => run_id === null && withdrawn === null),
    };
    if (JSON.stringify(progress) === JSON.stringify(this.progress)) return;
    this.progress = progress;
    this.changed.emit();
  }

  #emitAnswered(): void {
    for (const [id, cells] of this.#sent) {
      const message = this.store.transcript.messages.find((other) => other.id === id);
      const step = this.store.run(message?.run_id ?? "")?.steps[0];
      if (step === undefined) continue;
      this.#sent.delete(id);
      this.answered.emit({ cells, step });
    }
  }

  #follow(run: string | null): void {
    const ended = this.#run;
    this.#stopFollowing();
    this.#run = run;
    this.#stopFollowing = run === null ? () => {} : this.store.on(`run:${run}`, () => this.#update());
    if (ended === null) return;
    this.finished.emit(this.store.deleted ? "deleted" : (this.store.run(ended)?.status ?? "interrupted"));
  }
}

/** The followed conversations. One is followed as long as a view shows it, a run is active in it, or it has unsent input. */
export class Conversations {
  /** Emitted when a conversation was added, removed, or has changed. */
  readonly changed = new Signal<this, Conversation>(this);
  readonly finished = new Signal<this, { conversation: Conversation; status: string }>(this);
  readonly #open = new Map<string, { conversation: Conversation; views: number }>();
  readonly #server: (id: string) => Server;
  readonly #defaults: () => Defaults;

  constructor(server: (id: string) => Server, defaults: () => Defaults) {
    this.#server = server;
    this.#defaults = defaults;
  }

  /** The conversations with an active run. */
  get running(): Conversation[] {
    return [...this.#open.values()].map(({ conversation }) => conversation).filter(({ progress }) => progress.agent);
  }

  /** A new conversation without a view, in which a prompt was begun. */
  get begun(): Conversation | undefined {
    return [...this.#open.values()].find(({ conversation, views }) => views === 0 && conversation.isNew)?.conversation;
  }

  /** The conversation, if it is followed. */
  get(id: string): Conversation | undefined {
    return this.#open.get(id)?.conversation;
  }

  /** Follow a conversation until it has no active run. */
  follow(id: string): void {
    const { store } = this.acquire(id);
    const end = store.on("composer", () => {
      if (store.agents.length === 0) return; // not known yet: the `session` frame tells whether a run is active
      end();
      queueMicrotask(() => this.release(id));
    });
  }

  /** Follow a conversation for one more view, until `release`. */
  acquire(id: string): Conversation {
    const known = this.#open.get(id) ?? { conversation: this.#begin(id), views: 0 };
    this.#open.set(id, { ...known, views: known.views + 1 });
    return known.conversation;
  }

  /** A view of the conversation was removed. */
  release(id: string): void {
    const known = this.#open.get(id);
    if (!known) return;
    this.#open.set(id, { ...known, views: known.views - 1 });
    this.#closeIfIdle(id);
  }

  #begin(id: string): Conversation {
    const conversation = new Conversation(id, this.#server(id), this.#defaults());
    conversation.changed.connect(() => {
      this.changed.emit(conversation);
      queueMicrotask(() => this.#closeIfIdle(id));
    });
    conversation.finished.connect((_, status) => this.finished.emit({ conversation, status }));
    return conversation;
  }

  #closeIfIdle(id: string): void {
    const known = this.#open.get(id);
    if (!known || known.views > 0 || !known.conversation.idle) return;
    this.#open.delete(id);
    known.conversation.close();
    this.changed.emit(known.conversation);
  }
}
