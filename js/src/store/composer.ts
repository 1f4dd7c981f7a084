// The composer's messages: the draft and its attachments, and what was sent from here until it is in the log.

import type { Message, Transcript } from "../protocol/fold.ts";
import type { ClientMessage } from "../protocol/frames.ts";
import type { ChatPayload } from "../protocol/messages.ts";
import { trans } from "../translation.ts";
import type { Sender } from "../transport/target.ts";
import type { Announcements } from "./announcements.ts";
import {
  type Attachment,
  attachmentsOfMessage,
  contentOf,
  joinedBy,
  readFiles,
  textOf,
  textOfMessage,
} from "./attachments.ts";
import type { Extras } from "./extras.ts";
import type { Reader } from "./reader.ts";
import type { Topics } from "./topics.ts";
import type { Values } from "./values.ts";

/** A message that was sent and is not in the log yet. */
export interface Unsent {
  id: string;
  text: string;
  attachments: readonly Attachment[];
}

/** The parts of the store that the composer uses. */
interface Chat {
  readonly transcript: Transcript;
  readonly topics: Topics;
  readonly values: Values;
  readonly announcements: Announcements;
  readonly link: Sender | null;
  readonly reader: Reader;
  readonly extras: Extras;
  readonly writable: boolean;
}

/** The state of the composer, and the messages sent from it. */
export class Composer {
  /** Whether the next prompt asks for the agent's reasoning. */
  reasoning = true;
  /** Why files were not attached to the next message, as sentences. */
  refusedFiles: readonly string[] = [];
  readonly #chat: Chat;
  #chosenAgent: string | null = null;
  #defaultAgent = "";
  /** The attachments of the messages that were sent from here, by message id. */
  readonly #own = new Map<string, readonly Attachment[]>();
  /** The attachments of the latest message: it may be refused before it has an id. */
  #sending: readonly Attachment[] = [];
  /** The withdrawn messages whose text returns to the composer. */
  readonly #edited = new Set<string>();
  /** How many calls of `attach` are reading files, and when the last of them ends. */
  #reading = 0;
  #read: Promise<void> = Promise.resolve();

  constructor(chat: Chat) {
    this.#chat = chat;
  }

  /** The name of the agent that the next prompt goes to. */
  get agent(): string {
    return this.#chosenAgent ?? this.#defaultAgent;
  }

  set defaultAgent(name: string) {
    this.#defaultAgent = name;
  }

  /** Whether there is a message to send: a text or attachments, all of them read. */
  get sendable(): boolean {
    const { reader, values, writable } = this.#chat;
    const { draft, attachments } = reader;
    if (!writable || this.#reading > 0) return false;
    const ready = attachments.every((attachment) => values.contentOf(attachment) !== undefined);
    return ready && (draft.trim() !== "" || attachments.length > 0);
  }

  /** The messages that were sent and are not in the log yet. */
  get unsent(): Unsent[] {
    const { link, transcript } = this.#chat;
    const known = new Set(transcript.messages.map((message) => message.id));
    return [...(link?.pending ?? [])]
      .filter(([id, { message }]) => message.type === "chat" && !known.has(id))
      .map(([id, { message }]) => ({ id, text: textIn(message), attachments: this.#sentWith(id) }));
  }

  /** Replace the draft. */
  write(draft: string): void {
    this.#chat.reader.draft = draft;
    this.#chat.topics.emit("composer");
  }

  chooseAgent(name: string): void {
    this.#chosenAgent = name;
    this.#chat.topics.emit("chat", "composer");
  }

  showReasoning(on: boolean): void {
    this.reasoning = on;
    this.#chat.topics.emit("composer");
  }

  /** Send `text` with the attachments. */
  send(text: string): void {
    const { extras, link, reader, topics, values } = this.#chat;
    const sent = reader.attachments.map((attachment) => ({ ...attachment, data: values.contentOf(attachment) ?? "" }));
    const message = contentOf(extras.compose?.(text) ?? text, sent);
    reader.draft = ""; // returns if the message is refused
    reader.attachments = [];
    reader.scrollTop = null;
    this.refusedFiles = [];
    this.#sending = sent;
    const id = link?.send("chat", { message, agent_name: this.agent, enable_reasoning: this.reasoning });
    if (id) {
      this.#own.set(id, sent);
      extras.sent?.(id);
    }
    topics.emit("chat", "composer", "sent");
  }

  /** Withdraw a queued message; with `edit`, its text returns to the composer. */
  withdraw(messageId: string, edit: boolean): void {
    if (edit) this.#edited.add(messageId);
    this.#chat.link?.send("withdraw", { message_id: messageId });
  }

  /** Attach files to the next message. `refusedFiles` says which cannot be attached. */
  attach(files: readonly File[]): Promise<void> {
    if (files.length === 0) return this.#read;
    const { announcements, topics } = this.#chat;
    this.#reading++;
    this.refusedFiles = [];
    topics.emit("composer");
    this.#read = this.#read.then(async () => {
      const { attached, refused } = await readFiles(files, this.#chat.reader.attachments);
      const { reader } = this.#chat;
      reader.attachments = [...reader.attachments, ...attached];
      this.refusedFiles = [...this.refusedFiles, ...refused];
      this.#reading--;
      for (const { name } of attached) announcements.add(trans.__("“%1” is attached.", name));
      topics.emit("composer", "announcement");
    });
    return this.#read;
  }

  /** Remove an attachment from the next message. */
  detach(attachment: Attachment): void {
    const { announcements, reader, topics } = this.#chat;
    reader.attachments = reader.attachments.filter((other) => other !== attachment);
    this.refusedFiles = [];
    announcements.add(trans.__("“%1” is removed.", attachment.name));
    topics.emit("composer", "announcement");
  }

  forgetRefusedFiles(): void {
    this.refusedFiles = [];
    this.#chat.topics.emit("composer");
  }

  /** A message as the person wrote it; see `Extras.recall`. */
  ownWords(message: string, id?: string): string {
    return this.#chat.extras.recall?.(message, id) ?? message;
  }

  /** The text that the person wrote in a message of the log, without what was added to it. */
  ownText(message: Message): string {
    return this.ownWords(textOfMessage(message));
  }

  /** A message is in the log: attachments that were sent from here need not be fetched to be shown. */
  logged(id: string): void {
    const { transcript, values } = this.#chat;
    const sent = this.#own.get(id) ?? [];
    const message = transcript.messages.findLast((other) => other.id === id);
    for (const [index, { blob, bytes }] of (message ? attachmentsOfMessage(message) : []).entries()) {
      const { data, bytes: own } = sent[index] ?? {};
      if (blob !== undefined && data !== undefined && own === bytes) values.set(blob, data);
    }
    if (message && sent.length > 0) this.#own.set(id, []);
  }

  /** A queued message was withdrawn, by the person or because its session was cleared. */
  withdrawn(id: string, reason: string): void {
    const wanted = reason === "withdrawn" ? this.#edited.has(id) : this.#own.has(id);
    const message = this.#chat.transcript.messages.find((other) => other.id === id);
    if (wanted && message) this.#restore(textOfMessage(message), attachmentsOfMessage(message), id);
    this.#edited.delete(id);
  }

  /** A message was refused: a prompt returns to the composer. */
  refused(id: string): void {
    const message = this.#chat.link?.pending.get(id)?.message;
    if (message?.type !== "chat") return;
    this.#restore(textIn(message), this.#sentWith(id), id);
    this.#own.delete(id);
  }

  /** Insert a message before the draft. */
  #restore(message: string, attached: readonly Attachment[], id: string): void {
    const text = this.ownWords(message, id);
    const { reader } = this.#chat;
    reader.draft = reader.draft.trim() ? `${text}\n${reader.draft}` : text;
    reader.attachments = joinedBy(attached, reader.attachments);
  }

  /** The attachments of a message from here that is not in the log yet. */
  #sentWith(id: string): readonly Attachment[] {
    return this.#own.get(id) ?? this.#sending;
  }
}

function textIn({ payload }: ClientMessage): string {
  return textOf((payload as ChatPayload).message);
}
