// Images and files that go with a message: how they are read and checked before they are sent, and found again in what was.

import { formatNumber } from "../format.ts";
import type { Message } from "../protocol/fold.ts";
import {
  type ChatPayload,
  IMAGE_TYPES,
  MAX_ATTACHMENTS,
  MAX_CHAT_BYTES,
  MAX_FILE_BYTES,
  MAX_IMAGE_BYTES,
  MAX_MESSAGE_BYTES,
} from "../protocol/messages.ts";
import { trans } from "../translation.ts";

/** The attachments of a message, together: in base64, as they are sent, they are a third longer. */
const MAX_TOGETHER_BYTES = Math.floor(((MAX_CHAT_BYTES - MAX_MESSAGE_BYTES) * 3) / 4) - 2 * MAX_ATTACHMENTS;

/** An image or a file that goes, or went, with a message. */
export interface Attachment {
  kind: "image" | "file";
  name: string;
  /** Its MIME type. */
  mime: string;
  bytes: number;
  /** Its content in base64; absent where that is kept beside the log. */
  data?: string;
  /** The SHA-256 under which it is kept there. */
  blob?: string;
}

type Content = ChatPayload["message"];

/** What `readFiles` made of some files. */
export interface FilesRead {
  attached: Attachment[];
  /** Why others are not among them, in sentences. */
  refused: string[];
}

/** Read files that are to be attached beside those that are already. Never fails: what cannot be attached is said. */
export async function readFiles(files: readonly File[], already: readonly Attachment[]): Promise<FilesRead> {
  const attached: Attachment[] = [];
  const refused: string[] = [];
  const surplus: File[] = [];
  for (const file of files) {
    const known = [...already, ...attached];
    if (known.length >= MAX_ATTACHMENTS) {
      surplus.push(file);
      continue;
    }
    const read = await readFile(file, known);
    if (typeof read === "string") refused.push(read);
    else attached.push(read);
  }
  if (surplus.length > 0) refused.push(tooMany(surplus));
  return { attached, refused };
}

/** The attachment, or why there is none. */
async function readFile(file: File, known: readonly Attachment[]): Promise<Attachment | string> {
  try {
    if (file.size === 0) return trans.__("“%1” is empty.", file.name);
    const image = await imageType(file);
    const mime = image ?? (file.type.split(";")[0]?.trim().toLowerCase() || "application/octet-stream");
    const problem =
      image === undefined && mime.startsWith("image/") ? noImage(file, mime) : tooLarge(file, mime, known);
    if (problem !== null) return problem;
    const kind = image === undefined ? "file" : "image";
    return { kind, name: uniqueName(file.name, known), mime, bytes: file.size, data: await base64Of(file) };
  } catch {
    return trans.__("“%1” cannot be read. If it is a folder, attach the files in it.", file.name);
  }
}

function noImage({ name }: File, mime: string): string {
  return IMAGE_TYPES.includes(mime)
    ? trans.__("“%1” is called an image, but its content is none that can be read.", name)
    : trans.__("“%1” is %2: images may be PNG, JPEG, GIF or WebP. Convert it to one of them.", name, mime);
}

function tooLarge({ name, size }: File, mime: string, known: readonly Attachment[]): string | null {
  if (IMAGE_TYPES.includes(mime) && size > MAX_IMAGE_BYTES) {
    return trans.__(
      "“%1” is too large: an image may have %2, and this one has %3. Make it smaller.",
      name,
      mebibytes(MAX_IMAGE_BYTES),
      mebibytes(size),
    );
  }
  if (size > MAX_FILE_BYTES) {
    return trans.__(
      "“%1” is too large: a file may have %2, and this one has %3. Put it where the agent can read it, and name its path.",
      name,
      mebibytes(MAX_FILE_BYTES),
      mebibytes(size),
    );
  }
  const together = known.reduce((sum, { bytes }) => sum + bytes, size);
  if (together <= MAX_TOGETHER_BYTES) return null;
  return trans.__(
    "“%1” does not fit: all that is attached to a message may have %2. Send it with another message.",
    name,
    mebibytes(MAX_TOGETHER_BYTES),
  );
}

function tooMany(surplus: readonly File[]): string {
  const [first] = surplus as [File];
  return trans._n(
    "A message takes %2 attachments: “%3” was left out.",
    "A message takes %2 attachments: %1 more were left out.",
    surplus.length,
    formatNumber(MAX_ATTACHMENTS),
    first.name,
  );
}

/** "5 MiB", "5.1 MiB": rounded up, so that what is above a limit is said to be. */
function mebibytes(bytes: number): string {
  return trans.__("%1 MiB", formatNumber(Math.ceil((bytes / 1024 / 1024) * 10) / 10));
}

const SIGNATURES: readonly [mime: string, signature: RegExp][] = [
  ["image/png", /^\x89PNG\r\n/],
  ["image/jpeg", /^\xff\xd8\xff/],
  ["image/gif", /^GIF8[79]a/],
  ["image/webp", /^RIFF[\s\S]{4}WEBP/],
];

/** The type of an image that agents can be shown, by how it begins: the browser goes by its name. */
async function imageType(file: File): Promise<string | undefined> {
  const beginning = String.fromCharCode(...new Uint8Array(await bytesOf(file.slice(0, 12))));
  return SIGNATURES.find(([, signature]) => signature.test(beginning))?.[0];
}

function bytesOf(blob: Blob): Promise<ArrayBuffer> {
  return read(blob, "readAsArrayBuffer") as Promise<ArrayBuffer>;
}

async function base64Of(blob: Blob): Promise<string> {
  const address = (await read(blob, "readAsDataURL")) as string;
  return address.slice(address.indexOf(",") + 1);
}

function read(blob: Blob, how: "readAsArrayBuffer" | "readAsDataURL"): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader[how](blob);
  });
}

/** `name`, or "name (2)" where that is taken: a screenshot that is pasted is always called "image.png". */
function uniqueName(name: string, known: readonly Attachment[]): string {
  const taken = new Set(known.map((other) => other.name));
  const [, stem = "", ending = ""] = /^(.+?)(\.[^.]*)?$/s.exec(name || trans.__("attachment")) ?? [];
  let unique = stem + ending;
  for (let number = 2; taken.has(unique); number++) unique = `${stem} (${number})${ending}`;
  return unique;
}

/**
 * The files in what is pasted. Not those that only show its text once more, as a spreadsheet's picture does.
 */
export function pastedFiles(files: readonly File[], text: string): readonly File[] {
  const lines = text
    .trim()
    .split(/\s*[\r\n]\s*/)
    .filter(Boolean);
  const isName = (line: string): boolean => files.some(({ name }) => name !== "" && line.endsWith(name));
  return lines.every(isName) ? files : [];
}

/** `first` and what was there already, each under a name of its own. */
export function joinedBy(first: readonly Attachment[], others: readonly Attachment[]): Attachment[] {
  const all = [...first];
  for (const other of others) all.push({ ...other, name: uniqueName(other.name, all) });
  return all;
}

/** What is sent: the text alone, or in parts where something is attached. */
export function contentOf(text: string, attachments: readonly Attachment[]): Content {
  if (attachments.length === 0) return text;
  const parts = attachments.map(({ kind, name, mime, data = "" }) => {
    const address = `data:${mime};base64,${data}`;
    return kind === "image" ? { image: address, name } : { file: address, name };
  });
  return text.trim() === "" ? parts : [{ text }, ...parts];
}

/** The text of what was sent. */
export function textOf(content: Content): string {
  return typeof content === "string" ? content : joined(content);
}

/** The text of a message: without the names that stand for it where there is none. */
export function textOfMessage({ content, parts }: Message): string {
  return parts === undefined ? content : joined(parts);
}

/** What went with a message. */
export function attachmentsOfMessage({ parts = [] }: Message): Attachment[] {
  return parts.flatMap((part): Attachment[] => {
    if ("image" in part) return [{ kind: "image", ...part.image }];
    return "file" in part ? [{ kind: "file", ...part.file }] : [];
  });
}

function joined(parts: readonly object[]): string {
  return parts.flatMap((part) => ("text" in part ? [String(part.text)] : [])).join("\n\n");
}
