import type { VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { BlobReference } from "../store.ts";
import { useStore } from "./context.ts";
import { formatBytes } from "./format.ts";
import { sanitizeHtml } from "./markdown/sanitize.ts";
import { PlainText } from "./text.tsx";
import "./output.css";

const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const BASE64 = /^[A-Za-z0-9+/=\s]+$/;

/** What a tool displayed: a Jupyter MIME bundle. What it printed is its plain text. */
export function Output({ bundle }: { bundle: Record<string, unknown> }): VNode {
  const picture = PICTURES.find((type) => type in bundle);
  const printed = bundle["text/plain"];
  return (
    <>
      {printed !== undefined && printed !== "" && <MimeValue type="text/plain" value={printed} />}
      {picture && <MimeValue type={picture} value={bundle[picture]} />}
      {!picture && bundle["text/html"] !== undefined && <MimeValue type="text/html" value={bundle["text/html"]} />}
    </>
  );
}

function MimeValue({ type, value }: { type: string; value: unknown }): VNode {
  return isReference(value) ? <Blob type={type} reference={value} /> : <Shown type={type} value={value} />;
}

function Blob({ type, reference }: { type: string; reference: BlobReference }): VNode {
  const store = useStore(`blob:${reference.blob}`);
  const value = store.blob(reference);
  if (value === undefined) {
    const size = formatBytes(reference.size);
    return <div class="rw-note">{store.saved ? `${size} were not saved` : `Loading ${size} …`}</div>;
  }
  return <Shown type={type} value={value} />;
}

function Shown({ type, value }: { type: string; value: unknown }): VNode {
  const text = Array.isArray(value) ? value.join("") : String(value);
  if (type === "text/html") return <Html html={text} />;
  if (!type.startsWith("image/")) return <PlainText text={text} />;
  if (!BASE64.test(text)) return <div class="rw-note">This picture cannot be shown.</div>;
  return <img class="rw-picture" src={`data:${type};base64,${text}`} alt="Output of the tool" />;
}

function Html({ html }: { html: string }): VNode {
  const root = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => root.current?.replaceChildren(sanitizeHtml(html)), [html]);
  return <div class="rw-markdown rw-html" ref={root} />;
}

function isReference(value: unknown): value is BlobReference {
  return typeof value === "object" && value !== null && typeof (value as Partial<BlobReference>).blob === "string";
}
