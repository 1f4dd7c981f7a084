// Attaching files in the composer: with a button, or by dropping them on the chat.

import type { RefObject, VNode } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { trans } from "../translation.ts";
import { Button } from "./button.tsx";
import { useStore } from "./context.ts";
import { Icon } from "./icons.tsx";
import "./attach.css";

/** A button that opens the browser's file dialog. */
export function AttachButton(): VNode {
  const store = useStore();
  const chooser = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={chooser}
        type="file"
        multiple
        hidden
        onChange={({ currentTarget: input }) => {
          void store.composer.attach([...(input.files ?? [])]);
          input.value = ""; // so that the same file can be chosen again
          input.closest(".rw-composer-box")?.querySelector("textarea")?.focus();
        }}
      />
      <Button
        kind="quiet"
        class="rw-attach"
        label={trans.__("Attach")}
        title={trans.__("Attach images or files")}
        onPress={() => chooser.current?.click()}
      >
        <Icon name="attach" />
      </Button>
    </>
  );
}

/** A hint that appears while files are dragged over the chat that contains `box`. They can be dropped anywhere in it. */
export function DropTarget({ box }: { box: RefObject<HTMLElement | null> }): VNode | null {
  const store = useStore();
  const [over, setOver] = useState(false);
  useLayoutEffect(() => {
    const chat = box.current?.closest<HTMLElement>(".rw-chat");
    if (!chat) return;
    const end = new AbortController();
    const on = <T extends "dragenter" | "dragover" | "dragleave" | "drop">(type: T, act: (event: DragEvent) => void) =>
      chat.addEventListener(
        type,
        (event) => {
          if (!event.dataTransfer?.types.includes("Files")) return;
          event.preventDefault(); // otherwise the browser opens the file in place of the page
          event.stopPropagation();
          act(event);
        },
        { signal: end.signal },
      );
    on("dragenter", () => setOver(true));
    on("dragover", ({ dataTransfer }) => {
      if (dataTransfer) dataTransfer.dropEffect = "copy";
      setOver(true);
    });
    on("dragleave", ({ relatedTarget }) => chat.contains(relatedTarget as Node | null) || setOver(false));
    on("drop", ({ dataTransfer }) => {
      setOver(false);
      void store.composer.attach([...(dataTransfer?.files ?? [])]);
      chat.querySelector("textarea")?.focus();
    });
    return () => end.abort();
  }, [store]);
  if (!over) return null;
  return (
    <div class="rw-drop" aria-hidden="true">
      <Icon name="attach" />
      {trans.__("Drop images and files here")}
    </div>
  );
}
