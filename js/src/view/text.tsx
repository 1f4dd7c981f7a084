import type { ComponentChildren, VNode } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Channel, channelText } from "../protocol/fold.ts";
import { trans } from "../words.ts";
import { Button } from "./button.tsx";
import { useStore } from "./context.ts";
import { formatNumber, stripAnsi } from "./format.ts";
import "./text.css";

/** Of a longer text only this much is shown at first, in UTF-16 units. */
const SHOWN = 4000;

/** A sentence of ours: of Markdown it has `code` only. */
export function withCode(text: string): ComponentChildren {
  return text.split(/`([^`\n]+)`/).map((part, index) =>
    index % 2 === 0 ? (
      part
    ) : (
      <code key={index} class="rw-code">
        {part}
      </code>
    ),
  );
}

/** Text as it is, or a sentence of ours (`prose`); the rest of a long one on demand. */
export function PlainText({ text, prose = false }: { text: string; prose?: boolean }): VNode {
  const [all, setAll] = useState(false);
  const clean = stripAnsi(text);
  const cut = !all && clean.length > SHOWN * 1.25;
  const shown = cut ? `${clean.slice(0, SHOWN)}…` : clean;
  return (
    <>
      <div class={prose ? "rw-text rw-prose" : "rw-text"} dir={prose ? "auto" : undefined}>
        {prose ? withCode(shown) : shown}
      </div>
      {cut && (
        <Button kind="quiet" class="rw-more" onPress={() => setAll(true)}>
          {trans._n("Show %2 character", "Show all %2 characters", clean.length, formatNumber(clean.length))}
        </Button>
      )}
    </>
  );
}

/** The end of a text that grows. */
export function LiveText({ id, channel, entry = 0 }: { id: string; channel: Channel; entry?: number }): VNode {
  const store = useStore();
  const root = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const draw = (): void => {
      const step = store.step(id);
      if (!step || !root.current) return;
      const text = channelText(step, channel, entry);
      root.current.textContent = stripAnsi(text.length > SHOWN ? `…${text.slice(-SHOWN)}` : text);
    };
    draw();
    const end = store.on(`text:${id}`, () => store.painter.request(draw));
    return () => {
      end();
      store.painter.cancel(draw);
    };
  }, [store, id, channel, entry]);
  return <div class="rw-text" ref={root} />;
}

/** What the session left out of a channel that grew too long. */
export function CutNote({ characters }: { characters: number | undefined }): VNode | null {
  if (!characters) return null;
  const number = formatNumber(characters);
  return (
    <div class="rw-note">
      {trans._n("… %2 more character was cut", "… %2 more characters were cut", characters, number)}
    </div>
  );
}
