// Images and files attached to a message: reads and checks them before they are sent, and finds them in sent messages.

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

/** The total size of a message's attachments. They are sent in base64, which is a third longer. */
const MAX_TOTAL_BYTES = Math.floor(((MAX_CHAT_BYTES - MAX_MESSAGE_BYTES) * 3) / 4) - 2 * MAX_ATTACHMENTS;

/** An image or a file of a message. */
export interface Attachment {
  kind: "image" | "file";
  name: string;
  /** Its MIME type. */
  mime: string;
  bytes: number;
  /** Its content in base64; absent if it is stored beside the log. */
  data?: string;
  /** Its SHA-256, if it is stored beside the log. */
  blob?: string;
}

type Content = ChatPayload["message"];

/** The result of `readFiles`. */
export interface FilesRead {
  attached: Attachment[];
  /** Sentences that explain why other files cannot be attached. */
  refused: string[];
}

/** Read files to attach them, in addition to `already`. Never fails: `refused` explains what cannot be attached. */
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

/** The attachment, or a sentence that explains why there is none. */
async function readFile(file: File, known: readonly Attachment[]): Promise<Attachment | string> {
  try {
    if (file.size === 0) return trans.__("“%1” is empty.", file.name);
    const image = await imageType(file);
    const mime = image ?? (file.type.split(";")[0]?.trim().toLowerCase() || "application/octet-stream");
    const problem =
      image === undefined && mime.startsWith("image/") ? notAnImage(file, mime) : tooLarge(file, mime, known);
    if (problem !== null) return problem;
    const kind = image === undefined ? "file" : "image";
    return { kind, name: uniqueName(file.name, known), mime, bytes: file.size, data: await base64Of(file) };
  } catch {
    return trans.__("“%1” cannot be read. If it is a folder, attach the files in it.", file.name);
  }
}

function notAnImage({ name }: File, mime: string): string {
  return IMAGE_TYPES.includes(mime)
    ? trans.__("“%1” is named as an image, but its content cannot be read as one.", name)
    : trans.__("“%1” is %2: images may be PNG, JPEG, GIF or WebP. Convert it to one of them.", name, mime);
}

function tooLarge({ name, size }: File, mime: string, known: readonly Attachment[]): string | null {
  if (IMAGE_TYPES.includes(mime) && size > MAX_IMAGE_BYTES) {
    return trans.__(
      "“%1” is too large: it has %3, and images may have up to %2. Make it smaller.",
      name,
      mebibytes(MAX_IMAGE_BYTES),
      mebibytes(size),
    );
  }
  if (size > MAX_FILE_BYTES) {
    return trans.__(
      "“%1” is too large: it has %3, and files may have up to %2. Put it where the agent can read it, and give its path.",
      name,
      mebibytes(MAX_FILE_BYTES),
      mebibytes(size),
    );
  }
  const total = known.reduce((sum, { bytes }) => sum + bytes, size);
  if (total <= MAX_TOTAL_BYTES) return null;
  return trans.__(
    "“%1” does not fit: the attachments of a message may have up to %2 in total. Send it with another message.",
    name,
    mebibytes(MAX_TOTAL_BYTES),
  );
}

function tooMany(surplus: readonly File[]): string {
  const [first] = surplus as [File];
  return trans._n(
    "A message may have %2 attachments: “%3” was left out.",
    "A message may have %2 attachments: %1 more were left out.",
    surplus.length,
    formatNumber(MAX_ATTACHMENTS),
    first.name,
  );
}

/** "5 MiB", "5.1 MiB": rounded up, so that a size above a limit looks larger than the limit. */
function mebibytes(bytes: number): string {
  return trans.__("%1 MiB", formatNumber(Math.ceil((bytes / 1024 / 1024) * 10) / 10));
}

const SIGNATURES: readonly [mime: string, signature: RegExp][] = [
  ["image/png", /^\x89PNG\r\n/],
  ["image/jpeg", /^\xff\xd8\xff/],
  ["image/gif", /^GIF8[79]a/],
  ["image/webp", /^RIFF[\s\S]{4}WEBP/],
];

/** The type of an image that agents can see, by its signature: the browser only looks at the file's name. */
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

/** `name`, or "name (2)" if that is taken: pasted screenshots are always called "image.png". */
function uniqueName(name: string, known: readonly Attachment[]): string {
  const taken = new Set(known.map((other) => other.name));
  const [, stem = "", ending = ""] = /^(.+?)(\.[^.]*)?$/s.exec(name || trans.__("attachment")) ?? [];
  let unique = stem + ending;
  for (let number = 2; taken.has(unique); number++) unique = `${stem} (${number})${ending}`;
  return unique;
}

/** The pasted files, unless they only repeat the pasted text, such as the picture of a spreadsheet. */
export function pastedFiles(files: readonly File[], text: string): readonly File[] {
  const lines = text
    .trim()
    .split(/\s*[\r\n]\s*/)
    .filter(Boolean);
  const isName = (line: string): boolean => files.some(({ name }) => name !== "" && line.endsWith(name));
  return lines.every(isName) ? files : [];
}

/** `first` and `others`, with unique names. */
export function joinedBy(first: readonly Attachment[], others: readonly Attachment[]): Attachment[] {
  const all = [...first];
  for (const other of others) all.push({ ...other, name: uniqueName(other.name, all) });
  return all;
}

/** The content of a message: the text, or parts if there are attachments. */
export function contentOf(text: string, attachments: readonly Attachment[]): Content {
  if (attachments.length === 0) return text;
  const parts = attachments.map(({ kind, name, mime, data = "" }) => {
    const address = `data:${mime};base64,${data}`;
    return kind === "image" ? { image: address, name } : { file: address, name };
  });
  return text.trim() === "" ? parts : [{ text }, ...parts];
}

/** The text of a message's content. */
export function textOf(content: Content): string {
  return typeof content === "string" ? content : joined(content);
}

/** The text of a message, without the names that replace it if only attachments were sent. */
export function textOfMessage({ content, parts }: Message): string {
  return parts === undefined ? content : joined(parts);
}

/** The attachments of a message. */
export function attachmentsOfMessage({ parts = [] }: Message): Attachment[] {
  return parts.flatMap((part): Attachment[] => {
    if ("image" in part) return [{ kind: "image", ...part.image }];
    return "file" in part ? [{ kind: "file", ...part.file }] : [];
  });
}

function joined(parts: readonly object[]): string {
  return parts.flatMap((part) => ("text" in part ? [String(part.text)] : [])).join("\n\n");
}
