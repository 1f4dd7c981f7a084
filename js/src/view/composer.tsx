import type { VNode } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { CELL } from "../compat/jupyterlab-classes.ts";
import { pastedFiles } from "../store/attachments.ts";
import { trans } from "../translation.ts";
import { AttachButton, DropTarget } from "./attach.tsx";
import { Attachments } from "./attachments.tsx";
import { Button } from "./button.tsx";
import { keyAction } from "./composer-keys.ts";
import { ConnectionLine } from "./connection.tsx";
import { useStore } from "./context.ts";
import { Icon } from "./icons.tsx";
import { LateNote } from "./late-note.tsx";
import { ModelLine } from "./model.tsx";
import "./composer.css";

/** The composer: message field, attachments, agent, reasoning switch and buttons. */
export function Composer(): VNode {
  const store = useStore("composer");
  const run = store.activeRun;
  const { Attached } = store.extras;
  const box = useRef<HTMLDivElement>(null);
  return (
    <div class="rw-composer">
      <div class="rw-composer-box" ref={box}>
        <Attachments />
        {Attached && <Attached />}
        <MessageField />
        <div class="rw-toolbar">
          <AttachButton />
          <AgentChoice />
          <ReasoningSwitch />
          <div class="rw-actions">
            <ClearButton />
            <Button
              unavailable={run === null || !store.online || store.stopping(run.run_id)}
              onPress={() => run && store.stop(run.run_id)}
            >
              <Icon name="stop" />
              {trans.__("Stop")}
            </Button>
            <Button
              kind="strong"
              unavailable={!store.composer.sendable}
              onPress={() => store.composer.send(store.reader.draft)}
            >
              <Icon name="send" />
              {trans.__("Send")}
            </Button>
          </div>
        </div>
        <DropTarget box={box} />
      </div>
      {store.late && <LateNote />}
      <ConnectionLine />
      <ModelLine />
    </div>
  );
}

/** Clears the conversation, after a confirmation unless it is empty: this cannot be undone. */
function ClearButton(): VNode {
  const store = useStore("composer", "chat");
  const [asking, setAsking] = useState(false);
  const keep = useRef<HTMLSpanElement>(null);
  const place = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    if (asking) keep.current?.querySelector("button")?.focus();
  }, [asking]);
  const { messages, runs } = store.transcript;
  const empty = messages.length === 0 && runs.length === 0;
  const closeConfirmation = (): void => {
    setAsking(false);
    setTimeout(() => place.current?.querySelector("button")?.focus());
  };
  const clear = (): void => {
    store.clear();
    closeConfirmation();
  };
  if (!asking || !store.online) {
    return (
      <span ref={place} class="rw-place">
        <Button kind="quiet" unavailable={!store.online} onPress={() => (empty ? clear() : setAsking(true))}>
          {trans.__("Clear")}
        </Button>
      </span>
    );
  }
  return (
    <div
      class="rw-actions"
      role="alertdialog"
      aria-label={trans.__("Clear the conversation?")}
      onKeyDown={(event) => event.key === "Escape" && closeConfirmation()}
    >
      <span>{trans.__("Clear the conversation?")}</span>
      <Button label={trans.__("Clear the conversation")} onPress={clear}>
        {trans.__("Clear")}
      </Button>
      {/* At the place of the Clear button, so that a double click clears nothing. */}
      <span ref={keep} class="rw-place">
        <Button kind="quiet" label={trans.__("Keep the conversation")} onPress={closeConfirmation}>
          {trans.__("Keep")}
        </Button>
      </span>
    </div>
  );
}

function MessageField(): VNode {
  const store = useStore("composer");
  const field = useRef<HTMLTextAreaElement>(null);
  /** How many messages back the person has browsed, and the draft that they left; null if they have not. */
  const browsing = useRef<{ back: number; draft: string } | null>(null);
  useLayoutEffect(() => {
    const area = field.current;
    if (!area) return;
    area.style.height = "";
    // Before it is in the page, it has no height: keep its single row.
    if (area.scrollHeight > 0) area.style.height = `${area.scrollHeight}px`;
  }, [store.reader.draft]);

  const browse = (steps: number): void => {
    const sent = store.transcript.messages.map((message) => store.composer.ownText(message));
    const { back, draft } = browsing.current ?? { back: 0, draft: store.reader.draft };
    const next = Math.max(0, Math.min(sent.length, back + steps));
    if (next === back) return;
    browsing.current = next === 0 ? null : { back: next, draft };
    store.composer.write(next === 0 ? draft : (sent.at(-next) ?? ""));
  };
  const leave = (area: HTMLTextAreaElement): void => {
    if (browsing.current) {
      store.composer.write(browsing.current.draft);
      browsing.current = null;
      return;
    }
    area.blur();
    area.closest<HTMLElement>(`.${CELL}, [tabindex]:not(.rw-scroller)`)?.focus();
  };
  const press = (event: KeyboardEvent & { currentTarget: HTMLTextAreaElement }): void => {
    const action = keyAction(event, event.currentTarget);
    if (action === null) return;
    if (action !== "break") event.preventDefault();
    if (action === "send" && store.composer.sendable) {
      browsing.current = null;
      store.composer.send(store.reader.draft);
    } else if (action === "older") browse(1);
    else if (action === "newer") browse(-1);
    else if (action === "leave") leave(event.currentTarget);
  };

  const paste = (event: ClipboardEvent): void => {
    const pasted = event.clipboardData;
    const files = pasted ? pastedFiles([...pasted.files], pasted.getData("text/plain")) : [];
    if (files.length === 0) return;
    event.preventDefault();
    void store.composer.attach(files);
  };

  return (
    <textarea
      ref={field}
      class="rw-message"
      dir="auto"
      aria-label={trans.__("Message")}
      placeholder={store.composer.agent ? trans.__("Ask %1 …", store.composer.agent) : trans.__("Ask …")}
      rows={1}
      value={store.reader.draft}
      onInput={(event) => {
        browsing.current = null;
        store.composer.write(event.currentTarget.value);
      }}
      onKeyDown={press}
      onPaste={paste}
    />
  );
}

function AgentChoice(): VNode {
  const store = useStore("composer");
  return (
    <select
      class="rw-agent"
      aria-label={trans.__("Agent")}
      title={store.agents.find((agent) => agent.name === store.composer.agent)?.description}
      value={store.composer.agent}
      onChange={(event) => store.composer.chooseAgent(event.currentTarget.value)}
    >
      {store.agents.map((agent) => (
        <option key={agent.name} value={agent.name} selected={agent.name === store.composer.agent}>
          {agent.name}
        </option>
      ))}
    </select>
  );
}

function ReasoningSwitch(): VNode {
  const store = useStore("composer");
  return (
    <button
      type="button"
      role="switch"
      class="rw-switch"
      aria-checked={store.composer.reasoning}
      title={trans.__("Show the steps of the next answers")}
      onClick={() => store.composer.showReasoning(!store.composer.reasoning)}
    >
      <span class="rw-switch-track" />
      {trans.__("Reasoning")}
    </button>
  );
}
