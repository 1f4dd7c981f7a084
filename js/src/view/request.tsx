import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { Request } from "../protocol/fold.ts";
import { requestLabel } from "../store/labels.ts";
import { trans } from "../translation.ts";
import { Button } from "./button.tsx";
import { useStore } from "./context.ts";
import { Icon } from "./icons.tsx";
import { JsonTree } from "./json.tsx";
import { PlainText } from "./text.tsx";
import "./request.css";

/** A request of the agent, with the controls for a reply, or the reply. */
export function RequestCard({ request }: { request: Request }): VNode {
  const approval = request.kind === "approval";
  return (
    <section class="rw-card rw-request" aria-label={requestLabel(request.kind)} data-request-id={request.request_id}>
      <div class="rw-request-head">
        <Icon name="request" />
        <span class="rw-word">{approval ? trans.__("Approval") : trans.__("Question")}</span>
      </div>
      <div class="rw-card-body">
        <PlainText text={request.prompt} prose />
        {request.details && <JsonTree value={request.details} />}
        {request.closed ? <Outcome request={request} /> : <Choices request={request} />}
      </div>
    </section>
  );
}

function Choices({ request }: { request: Request }): VNode | null {
  const store = useStore();
  if (store.saved) return null;
  const answer = (value: unknown): void => store.answer(request.request_id, value);
  if (request.kind === "approval") {
    return (
      <div class="rw-choices">
        <Button kind="strong" onPress={() => answer(true)}>
          {trans.__("Approve")}
        </Button>
        <Button onPress={() => answer(false)}>{trans.__("Reject")}</Button>
      </div>
    );
  }
  if (request.options?.length) {
    return (
      <div class="rw-choices">
        {request.options.map((option) => (
          <Button key={option} onPress={() => answer(option)}>
            {option}
          </Button>
        ))}
      </div>
    );
  }
  return <AnswerField onAnswer={answer} />;
}

function AnswerField({ onAnswer }: { onAnswer: (text: string) => void }): VNode {
  const [text, setText] = useState("");
  const submit = (): void => {
    if (text.trim()) onAnswer(text);
  };
  return (
    <div class="rw-choices">
      <input
        class="rw-field"
        aria-label={trans.__("Your answer")}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.isComposing) submit();
        }}
      />
      <Button kind="strong" unavailable={!text.trim()} onPress={submit}>
        {trans.__("Answer")}
      </Button>
    </div>
  );
}

function Outcome({ request }: { request: Request }): VNode {
  const { reason, value, by } = request.closed ?? { reason: "expired" as const };
  if (reason !== "answered") {
    const words = {
      expired: trans.__("Nobody answered in time"),
      stopped: trans.__("Stopped"),
      interrupted: trans.__("Interrupted"),
    };
    return <div class="rw-note">{words[reason]}</div>;
  }
  const reply = answerInWords(value);
  return <div class="rw-note">{by ? trans.__("%1 (%2)", reply, by) : reply}</div>;
}

function answerInWords(value: unknown): string {
  if (value === true) return trans.__("Approved");
  return value === false ? trans.__("Rejected") : trans.__("Answered: %1", String(value));
}
