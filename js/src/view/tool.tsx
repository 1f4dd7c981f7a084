import type { VNode } from "preact";
import { channelText, isOpen, type Step } from "../protocol/fold.ts";
import { isPrinted, outputsOf } from "../protocol/outputs.ts";
import { trans } from "../translation.ts";
import { JsonOrText } from "./json.tsx";
import { Output } from "./output.tsx";
import { CutNote, LiveText } from "./text.tsx";

/** The arguments of a tool call. */
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

/** The outputs and the return value of a tool. */
export function ToolResult({ id, step }: { id: string; step: Step }): VNode {
  const returned = channelText(step, "content");
  const outputs = outputsOf(step);
  const live = isOpen(step);
  const shown = outputs.length > 0 && (
    <div class="rw-outputs">
      {outputs.map((bundle, entry) => (
        <div key={entry} class="rw-output">
          {live && isPrinted(bundle) ? <LiveText id={id} channel="output" entry={entry} /> : <Output bundle={bundle} />}
          <SizeNote size={step.scaled?.[entry]} />
        </div>
      ))}
      <CutNote characters={step.cut?.output} />
    </div>
  );
  if (live) {
    return (
      <>
        {shown}
        <LiveText id={id} channel="content" />
      </>
    );
  }
  return (
    <>
      {shown}
      {returned ? (
        <JsonOrText text={returned} />
      ) : (
        !shown && <div class="rw-note">{trans.__("Nothing was returned")}</div>
      )}
    </>
  );
}

/** Says that a picture was made smaller. */
function SizeNote({ size }: { size: number[] | undefined }): VNode | null {
  if (size === undefined) return null;
  const [width = 0, height = 0] = size;
  return <div class="rw-note">{trans.__("The picture was made smaller; it was %1 by %2 pixels", width, height)}</div>;
}
