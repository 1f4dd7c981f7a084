import type { VNode } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { formatBytes } from "../format.ts";
import { type RichModule, richModule } from "../modules.ts";
import { type MimeBundle, onlyNamesObject, PLAIN } from "../protocol/outputs.ts";
import type { BlobReference } from "../store/values.ts";
import { trans } from "../translation.ts";
import { Button } from "./button.tsx";
import { useStore } from "./context.ts";
import { costlyNote } from "./markdown/blocks.ts";
import { sanitizeHtml } from "./markdown/sanitize.ts";
import { drawMarkdown } from "./markdown/stream.ts";
import { isCostlyTex } from "./markdown/tex.ts";
import { PlainText } from "./text.tsx";
import "./output.css";

const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const SVG = "image/svg+xml";
/** The MIME types that are drawn without JupyterLab's renderers, best first. */
const TYPES = [...PICTURES, SVG, "text/html", "text/markdown"];
const BASE64 = /^[A-Za-z0-9+/=\s]+$/;

/** One output of a tool: its text, and the best of its other formats. */
export function Output({ bundle }: { bundle: MimeBundle }): VNode {
  const { [PLAIN]: text, ...formats } = bundle;
  const types = Object.keys(formats);
  const type = richModule()?.preferred(formats) ?? TYPES.find((other) => types.includes(other));
  const isShown = text !== undefined && text !== "" && !(type !== undefined && onlyNamesObject(bundle));
  return (
    <>
      {isShown && <MimeValue type={PLAIN} value={text} />}
      {type !== undefined && <MimeValue type={type} value={formats[type]} />}
      {type === undefined && types.length > 0 && (
        <div class="rw-note">{trans.__("This cannot be shown here: %1", types.join(", "))}</div>
      )}
    </>
  );
}

function MimeValue({ type, value }: { type: string; value: unknown }): VNode {
  return isReference(value) ? <Blob type={type} reference={value} /> : <Shown type={type} value={value} />;
}

/** A reference to a MIME value that is stored beside the log, with its size in bytes. */
type Reference = BlobReference & { size: number };

function Blob({ type, reference }: { type: string; reference: Reference }): VNode {
  const store = useStore(`blob:${reference.blob}`);
  const value = store.values.get(reference);
  if (value === undefined) {
    const size = formatBytes(reference.size);
    return (
      <div class="rw-note">{store.saved ? trans.__("%1 were not saved", size) : trans.__("Loading %1 …", size)}</div>
    );
  }
  return <Shown type={type} value={value} />;
}

function Shown({ type, value }: { type: string; value: unknown }): VNode {
  const text = Array.isArray(value) ? value.join("") : String(value);
  if (type === PLAIN) return <PlainText text={text} />;
  if (PICTURES.includes(type) || type === SVG) return <Picture type={type} text={text} />;
  if (type === "text/markdown") return <Drawn value={text} draw={drawMarkdown} />;
  if (type === "text/latex" && isCostlyTex(text)) return <Source text={text} />;
  const rich = richModule();
  if (!rich) return <Drawn value={text} draw={(root) => root.replaceChildren(sanitizeHtml(text))} />;
  if (type !== "text/html") return <Rich rich={rich} type={type} value={value} />;
  return <Drawn value={text} draw={(root) => rich.render(root, type, sanitizedHtml(text))} />;
}

/** The source of a value that would take too long to draw. */
function Source({ text }: { text: string }): VNode {
  return (
    <>
      <PlainText text={text} />
      <div class="rw-note">{costlyNote()}</div>
    </>
  );
}

/** A picture. SVG is shown in an `img` too, where it cannot run scripts or fetch anything. */
function Picture({ type, text }: { type: string; text: string }): VNode {
  const drawing = type === SVG;
  if (!drawing && !BASE64.test(text)) return <div class="rw-note">{trans.__("This picture cannot be shown.")}</div>;
  return (
    <img
      class="rw-picture"
      src={drawing ? drawingUrl(text) : `data:${type};base64,${text}`}
      alt={trans.__("Output of the tool")}
    />
  );
}

function drawingUrl(svg: string): string {
  // Handwritten SVG often lacks the namespace. A lone surrogate cannot be encoded.
  const complete = svg.includes("xmlns=") ? svg : svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
  return `data:${SVG},${encodeURIComponent(complete.replace(/\p{Surrogate}/gu, "\ufffd"))}`;
}

/** A value drawn by JupyterLab's renderers; on demand if drawing it might fetch something. */
function Rich({ rich, type, value }: { rich: RichModule; type: string; value: unknown }): VNode {
  const [wanted, setWanted] = useState(() => !rich.mayFetch(type, value));
  if (wanted) return <Drawn value={value} draw={(root) => rich.render(root, type, value)} />;
  return (
    <div class="rw-note">
      {trans.__("This output may fetch data from elsewhere.")}{" "}
      <Button onPress={() => setWanted(true)}>{trans.__("Show it")}</Button>
    </div>
  );
}

/** An element that `draw` fills; `draw` may return a function that cleans up. */
function Drawn<T>({ value, draw }: { value: T; draw: (root: HTMLElement, value: T) => unknown }): VNode {
  const root = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const end = root.current && draw(root.current, value);
    return typeof end === "function" ? (end as () => void) : undefined;
  }, [value]);
  return <div class="rw-markdown rw-html" ref={root} />;
}

function sanitizedHtml(html: string): string {
  const holder = document.createElement("div");
  holder.append(sanitizeHtml(html));
  return holder.innerHTML;
}

function isReference(value: unknown): value is Reference {
  return typeof value === "object" && value !== null && typeof (value as Partial<Reference>).blob === "string";
}
