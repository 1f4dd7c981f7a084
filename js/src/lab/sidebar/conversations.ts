// The sessions that this page follows: one store and one socket each, however many views show it.

import { Signal } from "@lumino/signaling";
import { Store } from "../../store/store.ts";
import { connect, type Server } from "../../transport/socket.ts";
import { type Attachment, compose, takeApart, withOneMore } from "./attachments.ts";

/** What new conversations begin with. */
export interface Defaults {
  /** The agent's name; empty: the server's own choice. */
  agent: string;
  reasoning: boolean;
}

/** How it stands with a conversation, for tabs and the status bar. */
export interface Progress {
  /** What the session is called; null before it has a name. */
  title: string | null;
  /** Who is at work; null if nobody is. */
  agent: string | null;
  /** Steps of the run that is on. */
  steps: number;
  /** Whether questions wait: for the connection, or for their turn. */
  waiting: boolean;
}

/** A session that this page follows. */
export class Conversation {
  readonly store = new Store();
  /** The progress is another, or attachments came or went. */
  readonly changed = new Signal<this, void>(this);
  /** A run ended that was seen going on; "deleted": with its session. */
  readonly finished = new Signal<this, string>(this);
  /** The question that these cells went with led to this step: the first one. */
  readonly answered = new Signal<this, { cells: readonly Attachment[]; step: string }>(this);
  progress: Progress = { title: null, agent: null, steps: 0, waiting: false };
  attachments: readonly Attachment[] = [];
  #sending: readonly Attachment[] = [];
  /** What went with the messages that led to nothing yet, by their ids. */
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
      asked: (message) => {
        if (this.#sending.length > 0) this.#sent.set(message, this.#sending);
        this.#attach([]);
      },
      recall: (text, message) => {
        const question = takeApart(text);
        if (message !== undefined) {
          for (const cell of this.#sent.get(message) ?? question.attached) this.attach(cell);
          this.#sent.delete(message);
        }
        return question.text;
      },
    };
    this.#ends = [
      store.on("chat", () => this.#look()),
      store.on("composer", () => this.#choose(defaults.agent)),
      connect(server, store),
    ];
  }

  /** Whether nothing was asked in it yet: the server keeps no such session. */
  get isNew(): boolean {
    const { messages, title } = this.store.transcript;
    return messages.length === 0 && title === null && !this.progress.waiting;
  }

  /** Whether nothing would be lost if it were no longer followed. */
  get idle(): boolean {
    const { attachments, progress, store } = this;
    if (store.deleted) return true;
    if (progress.agent !== null || progress.waiting || attachments.length > 0) return false;
    const begun = store.reader.draft.trim() !== "" || store.reader.attachments.length > 0;
    return !this.isNew || !begun; // the page keeps the drafts of those that the server has
  }

  /** Put cells beside what the person writes. One that is there already is replaced. */
  attach(attachment: Attachment): void {
    this.#attach(withOneMore(this.attachments, attachment));
  }

  /** Take one away again. */
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

  /** Once it is known who may be asked: whoever was asked last, else the default. */
  #choose(agent: string): void {
    const { store } = this;
    if (store.agents.length === 0) return;
    const wanted = store.transcript.runs.at(-1)?.agent_name ?? agent;
    const choose = !this.#chosen && wanted !== store.composer.agent && store.agents.some(({ name }) => name === wanted);
    this.#chosen = true;
    if (choose) store.composer.chooseAgent(wanted);
  }

  #look(): void {
    const { store } = this;
    const { title, messages } = store.transcript;
    const run = store.activeRun;
    if (run?.run_id !== this.#run) this.#follow(run?.run_id ?? null);
    this.#lookForAnswers();
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

  #lookForAnswers(): void {
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
    this.#stopFollowing = run === null ? () => {} : this.store.on(`run:${run}`, () => this.#look());
    if (ended === null) return;
    this.finished.emit(this.store.deleted ? "deleted" : (this.store.run(ended)?.status ?? "interrupted"));
  }
}

/** All of them. A conversation is followed as long as a view shows it, a run is on that was seen in it, or it would lose something. */
export class Conversations {
  /** Which conversations there are, or how one of them stands, has changed. */
  readonly changed = new Signal<this, Conversation>(this);
  readonly finished = new Signal<this, { conversation: Conversation; status: string }>(this);
  readonly #open = new Map<string, { conversation: Conversation; views: number }>();
  readonly #server: (id: string) => Server;
  readonly #defaults: () => Defaults;

  constructor(server: (id: string) => Server, defaults: () => Defaults) {
    this.#server = server;
    this.#defaults = defaults;
  }

  /** Those in which a run is on. */
  get running(): Conversation[] {
    return [...this.#open.values()].map(({ conversation }) => conversation).filter(({ progress }) => progress.agent);
  }

  /** A new one that nobody sees, in which a question has been begun. */
  get begun(): Conversation | undefined {
    return [...this.#open.values()].find(({ conversation, views }) => views === 0 && conversation.isNew)?.conversation;
  }

  /** The conversation, if it is followed. */
  get(id: string): Conversation | undefined {
    return this.#open.get(id)?.conversation;
  }

  /** Follow it until no run is on in it. */
  follow(id: string): void {
    const { store } = this.take(id);
    const end = store.on("composer", () => {
      if (store.agents.length === 0) return; // the server has not said yet whether a run is on
      end();
      queueMicrotask(() => this.release(id));
    });
  }

  /** Follow it for one more view, until `release`. */
  take(id: string): Conversation {
    const known = this.#open.get(id) ?? { conversation: this.#begin(id), views: 0 };
    this.#open.set(id, { ...known, views: known.views + 1 });
    return known.conversation;
  }

  /** A view of it is gone. */
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
