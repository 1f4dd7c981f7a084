import type { VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { channelText, isOpen } from "../protocol/fold.ts";
import { useStore } from "./context.ts";
import { MarkdownStream } from "./markdown/stream.ts";
import "./markdown.css";

/** The content of a step, as Markdown, while it grows and after. */
export function MarkdownBody({ id }: { id: string }): VNode {
  const store = useStore();
  const root = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!root.current) return;
    const stream = new MarkdownStream(root.current);
    const draw = (): void => {
      const step = store.step(id);
      if (step) stream.update(channelText(step, "content"), !isOpen(step));
    };
    const changed = (): void => {
      const step = store.step(id);
      if (step && isOpen(step)) {
        store.painter.request(draw);
      } else {
        store.painter.cancel(draw);
        draw();
      }
    };
    draw();
    const end = store.on(`text:${id}`, changed);
    return () => {
      end();
      store.painter.cancel(draw);
      stream.close();
    };
  }, [store, id]);
  return <div class="rw-markdown" ref={root} />;
}
