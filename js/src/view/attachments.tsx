import type { ComponentChildren, TargetedMouseEvent, VNode } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatBytes } from "../format.ts";
import { IMAGE_TYPES } from "../protocol/messages.ts";
import type { Attachment } from "../store/attachments.ts";
import { trans } from "../translation.ts";
import { Button } from "./button.tsx";
import { useStore } from "./context.ts";
import { Icon } from "./icons.tsx";
import "./attachments.css";

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** The attachments of the next message, and why other files were refused. */
export function Attachments(): VNode {
  const store = useStore("composer");
  const { attachments } = store.reader;
  return (
    <>
      {store.composer.refusedFiles.length > 0 && (
        <div class="rw-unfit" role="alert">
          <Icon name="error" />
          <div class="rw-unfit-words">
            {store.composer.refusedFiles.map((words, index) => (
              <div key={index}>{words}</div>
            ))}
          </div>
          <Button kind="quiet" label={trans.__("Dismiss")} onPress={() => store.composer.forgetRefusedFiles()}>
            <Icon name="close" />
          </Button>
        </div>
      )}
      {attachments.length > 0 && (
        <ul class="rw-tiles rw-attachments" aria-label={trans.__("Attachments")}>
          {attachments.map((attachment) => (
            <li key={attachment.name} class="rw-tile-place">
              <Tile attachment={attachment} />
              <button
                type="button"
                class="rw-remove"
                aria-label={trans.__("Remove %1", attachment.name)}
                onClick={(event) => {
                  keepFocusNear(event);
                  store.composer.detach(attachment);
                }}
              >
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** The pressed button disappears: move the focus to the next one, or to the message field. */
function keepFocusNear({ currentTarget }: TargetedMouseEvent<HTMLButtonElement>): void {
  const box = currentTarget.closest(".rw-composer-box");
  const buttons = [...(box?.querySelectorAll<HTMLElement>(".rw-remove") ?? [])];
  const at = buttons.indexOf(currentTarget);
  const next = buttons[at + 1] ?? buttons[at - 1] ?? box?.querySelector<HTMLElement>("textarea");
  next?.focus();
}

/** The attachments of a sent message. */
export function SentAttachments({ attachments }: { attachments: readonly Attachment[] }): VNode | null {
  if (attachments.length === 0) return null;
  return (
    <ul class="rw-tiles" aria-label={trans.__("Attached")}>
      {attachments.map((attachment, index) => (
        <li key={index} class="rw-tile-place">
          <SentTile attachment={attachment} />
        </li>
      ))}
    </ul>
  );
}

/** An attachment that is fetched when it scrolls into view: a conversation may have many. */
function SentTile({ attachment }: { attachment: Attachment }): VNode {
  const store = useStore();
  const place = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState(
    () => store.saved || store.values.has(attachment) || typeof IntersectionObserver === "undefined",
  );
  useLayoutEffect(() => {
    if (seen || place.current === null) return;
    const sight = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true));
    sight.observe(place.current);
    return () => sight.disconnect();
  }, [seen]);
  return (
    <div ref={place} class="rw-tile-place">
      {seen && attachment.kind === "image" ? (
        <EnlargeableImage attachment={attachment} />
      ) : (
        <NamedTile attachment={attachment} />
      )}
    </div>
  );
}

/** A thumbnail that opens the image in full size. */
function EnlargeableImage({ attachment }: { attachment: Attachment }): VNode {
  const [open, setOpen] = useState(false);
  const { name } = attachment;
  return (
    <AttachedImage attachment={attachment}>
      {(picture) => (
        <>
          <button
            type="button"
            class="rw-enlarge"
            aria-haspopup="dialog"
            aria-label={trans.__("Show %1", name)}
            title={name}
            onClick={() => setOpen(true)}
          >
            {picture}
          </button>
          {open && (
            <FullSize name={name} close={() => setOpen(false)}>
              {picture}
            </FullSize>
          )}
        </>
      )}
    </AttachedImage>
  );
}

function FullSize(props: { name: string; close: () => void; children: ComponentChildren }): VNode {
  const { name, close, children } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const leave = (): void => dialog.current?.close();
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog too
    <dialog
      ref={dialog}
      class="rw-full"
      aria-label={name}
      onClose={close}
      onClick={({ target, currentTarget }) => target === currentTarget && leave()}
    >
      <div class="rw-full-head">
        <span class="rw-full-name" aria-hidden="true">
          {name}
        </span>
        <Button kind="quiet" label={trans.__("Close")} onPress={leave}>
          <Icon name="close" />
        </Button>
      </div>
      {children}
    </dialog>
  );
}

function Tile({ attachment }: { attachment: Attachment }): VNode {
  if (attachment.kind !== "image") return <NamedTile attachment={attachment} />;
  return <AttachedImage attachment={attachment}>{(picture) => picture}</AttachedImage>;
}

/** Draws an image with `children`, or shows its name if it cannot be drawn. */
function AttachedImage(props: { attachment: Attachment; children: (picture: VNode) => VNode }): VNode {
  const { attachment, children } = props;
  const { mime, name, blob } = attachment;
  const store = useStore(`blob:${blob}`);
  const [broken, setBroken] = useState(false);
  const content = store.values.contentOf(attachment);
  // Memoized: it may have millions of characters, and this is drawn again with each key pressed in the composer.
  const source = useMemo(
    () => (IMAGE_TYPES.includes(mime) && BASE64.test(content ?? "") ? `data:${mime};base64,${content}` : null),
    [mime, content],
  );
  if (content === undefined) {
    const size = formatBytes(attachment.bytes);
    const note = store.saved ? trans.__("%1, not saved", size) : trans.__("%1, loading …", size);
    return <NamedTile attachment={attachment} note={note} />;
  }
  if (broken || source === null) return <NamedTile attachment={attachment} />;
  return children(
    <img
      class="rw-thumbnail"
      src={source}
      alt={name}
      title={trans.__("%1, %2", name, formatBytes(attachment.bytes))}
      draggable={false}
      onError={() => setBroken(true)}
    />,
  );
}

function NamedTile({ attachment, note }: { attachment: Attachment; note?: string }): VNode {
  const { kind, name, bytes } = attachment;
  return (
    <span class="rw-tile" title={name}>
      <Icon name={kind} />
      <span class="rw-tile-words">
        <span class="rw-tile-name">{name}</span>
        <span class="rw-tile-size">{note ?? formatBytes(bytes)}</span>
      </span>
    </span>
  );
}
