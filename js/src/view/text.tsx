import type { ComponentChildren, VNode } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { formatNumber, stripAnsi } from "../format.ts";
import { type Channel, channelText } from "../protocol/fold.ts";
import { trans } from "../translation.ts";
import { drawSpans, type Span, spansOf } from "./ansi.ts";
import { Button } from "./button.tsx";
import { useStore } from "./context.ts";
import "./text.css";

/** How much of a long text is shown at first, in UTF-16 units. */
const INITIAL_LENGTH = 4000;
/** How much of that is the end of the text. */
const TAIL = 1000;
/** The part of a line that is overwritten after a carriage return. */
const OVERWRITTEN = /[^\n\r]*\r(?=[^\n\r])/g;

/** A sentence in which `code` is the only markup. */
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

/** Text as it is, or with `prose` sentences with `code`. A long text is shortened until the reader wants all of it. */
export function PlainText({ text, prose = false }: { text: string; prose?: boolean }): VNode {
  const [all, setAll] = useState(false);
  const clean = stripAnsi(text);
  const cut = !all && clean.length > INITIAL_LENGTH * 1.25;
  return (
    <>
      {prose ? (
        <div class="rw-text rw-prose" dir="auto">
          {withCode(cut ? `${clean.slice(0, INITIAL_LENGTH)}…` : clean)}
        </div>
      ) : (
        <div class="rw-text">{(cut ? endsOf(spansOf(text)) : spansOf(text)).map(drawn)}</div>
      )}
      {cut && (
        <Button kind="quiet" class="rw-more" onPress={() => setAll(true)}>
          {trans._n("Show %2 character", "Show all %2 characters", clean.length, formatNumber(clean.length))}
        </Button>
      )}
    </>
  );
}

function drawn({ text, look, colours }: Span, index: number): ComponentChildren {
  return look ? (
    <span key={index} class={look} style={colours}>
      {text}
    </span>
  ) : (
    text
  );
}

/** The beginning and the end of a long text: what was printed last often matters most. */
function endsOf(spans: Span[]): Span[] {
  const head = firstOf(spans, INITIAL_LENGTH - TAIL, (span, room) => ({ ...span, text: span.text.slice(0, room) }));
  const tail = firstOf([...spans].reverse(), TAIL, (span, room) => ({ ...span, text: span.text.slice(-room) }));
  return [...head, { text: "\n…\n", look: "", colours: {} }, ...tail.reverse()];
}

function firstOf(spans: Span[], length: number, cut: (span: Span, room: number) => Span): Span[] {
  const taken: Span[] = [];
  for (let room = length, at = 0; room > 0 && at < spans.length; at++) {
    const span = spans[at] as Span;
    taken.push(span.text.length > room ? cut(span, room) : span);
    room -= span.text.length;
  }
  return taken;
}

/** The end of a growing text. */
export function LiveText({ id, channel, entry = 0 }: { id: string; channel: Channel; entry?: number }): VNode {
  const store = useStore();
  const root = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const draw = (): void => {
      const step = store.step(id);
      if (!step || !root.current) return;
      const text = channelText(step, channel, entry);
      drawSpans(
        root.current,
        (text.length > INITIAL_LENGTH ? `…${text.slice(-INITIAL_LENGTH)}` : text).replace(OVERWRITTEN, ""),
      );
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

/** Says how much of a channel the session cut. */
export function CutNote({ characters }: { characters: number | undefined }): VNode | null {
  if (!characters) return null;
  const number = formatNumber(characters);
  return (
    <div class="rw-note">
      {trans._n("… %2 more character was cut", "… %2 more characters were cut", characters, number)}
    </div>
  );
}
