import type { VNode } from "preact";
import { formatBytes } from "../format.ts";
import type { ModelData } from "../protocol/messages.ts";
import { trans } from "../translation.ts";
import { Button } from "./button.tsx";
import { useStore } from "./context.ts";
import { withCode } from "./text.tsx";
import "./model.css";

/** Which model answers, with a button to download it if it is missing. */
export function ModelLine(): VNode | null {
  const store = useStore("composer");
  const { model } = store;
  if (model === null) return null;
  return (
    <div class="rw-model" data-model-state={model.state}>
      <span class="rw-model-reason">{withCode(model.reason)}</span>
      {model.state === "downloading" && <Progress model={model} />}
      {model.state === "failed" && (
        <span class="rw-model-failed" role="alert">
          {withCode(model.message ?? "")}
        </span>
      )}
      {(model.state === "missing" || model.state === "failed") && (
        <Button onPress={() => store.pullModel()}>
          {model.total ? trans.__("Download model (%1)", formatBytes(model.total)) : trans.__("Download model")}
        </Button>
      )}
    </div>
  );
}

function Progress({ model }: { model: ModelData }): VNode {
  const { received = 0, total = 0 } = model;
  const percent = total > 0 ? Math.floor((100 * received) / total) : undefined;
  return (
    <>
      <div
        class="rw-progress"
        role="progressbar"
        aria-label={trans.__("Download of the model")}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
      >
        <div class="rw-progress-done" style={{ width: `${percent ?? 0}%` }} />
      </div>
      <span class="rw-duration">
        {total > 0 ? trans.__("%1 of %2", formatBytes(received), formatBytes(total)) : formatBytes(received)}
      </span>
    </>
  );
}
