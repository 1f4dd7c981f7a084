import type { Sender } from "../transport/target.ts";
import type { Attachment } from "./attachments.ts";
import type { Topics } from "./topics.ts";

/** A reference to a value that is stored beside the log: a MIME value of a step, or an attachment. */
export interface BlobReference {
  blob: string;
}

/** The values that are stored beside the log, fetched when they are first needed. */
export class Values {
  readonly #values = new Map<string, unknown>();
  readonly #topics: Topics;
  readonly #link: () => Sender | null;

  constructor(topics: Topics, link: () => Sender | null) {
    this.#topics = topics;
    this.#link = link;
  }

  /** Store a value that is known already, so that it is not fetched. */
  set(blob: string, value: unknown): void {
    this.#values.set(blob, value);
    this.#topics.mark(`blob:${blob}`);
  }

  /** A value, undefined until it has arrived: listen to `blob:<its hash>`. */
  get({ blob }: BlobReference): unknown {
    if (!this.#values.has(blob)) {
      this.#values.set(blob, undefined);
      this.#link()?.send("blob", { blob });
    }
    return this.#values.get(blob);
  }

  /** The values that have arrived, by hash. */
  all(): Record<string, unknown> {
    return Object.fromEntries([...this.#values].filter(([, value]) => value !== undefined));
  }

  /** The content of an attachment in base64, undefined until it has arrived: listen to `blob:<its hash>`. */
  contentOf({ data, blob }: Attachment): string | undefined {
    if (data !== undefined || blob === undefined) return data;
    const value = this.get({ blob });
    return typeof value === "string" ? value : undefined;
  }

  /** Whether the content of an attachment has arrived. Fetches nothing. */
  has({ data, blob = "" }: Attachment): boolean {
    return data !== undefined || this.#values.get(blob) !== undefined;
  }
}
