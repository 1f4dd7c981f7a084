import type { VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { decorate } from "../modules.ts";
import { channelText, isOpen } from "../protocol/fold.ts";
import { useStore } from "./context.ts";
import { MarkdownStream } from "./markdown/stream.ts";
import "./markdown.css";

/** The content of a step as Markdown, during and after streaming. */
export function MarkdownBody({ id }: { id: string }): VNode {
  const store = useStore();
  const root = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = root.current;
    if (!element) return;
    const stream = new MarkdownStream(element);
    const draw = (): void => {
      const step = store.step(id);
      if (!step) return;
      const done = !isOpen(step);
      stream.update(channelText(step, "content"), done);
      if (done) decorate(element, { session: store.transcript.session_id, step: id });
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
  return <div class="rw-markdown" dir="auto" ref={root} />;
}
