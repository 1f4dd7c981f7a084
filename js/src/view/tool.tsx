import type { VNode } from "preact";
import { channelText, isOpen, type Step } from "../protocol/fold.ts";
import { trans } from "../words.ts";
import { JsonOrText } from "./json.tsx";
import { Output } from "./output.tsx";
import { CutNote, LiveText } from "./text.tsx";

/** What a tool is called with. */
export function ToolArguments({ id, step }: { id: string; step: Step }): VNode {
  if (isOpen(step)) return <LiveText id={id} channel="arguments" />;
  const text = channelText(step, "arguments");
  return (
    <>
      {/^\s*(?:\{\s*\})?\s*$/.test(text) ? (
        <div class="rw-note">{trans.__("No arguments")}</div>
      ) : (
        <JsonOrText text={text} />
      )}
      <CutNote characters={step.cut?.arguments} />
    </>
  );
}

/** What a tool printed, displayed and returned. */
export function ToolResult({ id, step }: { id: string; step: Step }): VNode {
  const returned = channelText(step, "content");
  const shown = Object.keys(step.output ?? {}).length > 0;
  if (isOpen(step)) {
    return (
      <>
        <LiveText id={id} channel="output" />
        <LiveText id={id} channel="content" />
      </>
    );
  }
  return (
    <>
      {shown && (
        <div class="rw-output">
          <Output bundle={step.output ?? {}} />
          <CutNote characters={step.cut?.output} />
          {Object.values(step.scaled ?? {}).map(([width, height]) => (
            <div key={width} class="rw-note">
              {trans.__("The picture was made smaller; it was %1 by %2 pixels", width, height)}
            </div>
          ))}
        </div>
      )}
      {returned ? (
        <JsonOrText text={returned} />
      ) : (
        !shown && <div class="rw-note">{trans.__("Nothing was returned")}</div>
      )}
    </>
  );
}
