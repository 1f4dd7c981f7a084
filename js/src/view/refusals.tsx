import type { VNode } from "preact";
import { trans } from "../translation.ts";
import { Button } from "./button.tsx";
import { useStore } from "./context.ts";
import { Icon } from "./icons.tsx";
import "./refusals.css";

/** Errors outside of runs: refused messages, and the loss of the kernel. */
export function Refusals(): VNode | null {
  const store = useStore("chat");
  if (store.refusals.length === 0 && !store.disconnected) return null;
  return (
    <>
      {store.refusals.map((refusal) => (
        <div key={refusal.key} class="rw-card rw-refusal" role="alert" data-step-type="error">
          <Icon name="error" />
          <span class="rw-refusal-text">{refusal.message}</span>
          <Button kind="quiet" label={trans.__("Dismiss")} onPress={() => store.dismiss(refusal)}>
            {trans.__("Dismiss")}
          </Button>
        </div>
      ))}
      {store.disconnected && (
        <div class="rw-card rw-refusal" role="alert" data-step-type="error">
          <Icon name="error" />
          <span class="rw-refusal-text">{trans.__("The kernel is gone. Run the cell again to begin a new chat.")}</span>
        </div>
      )}
    </>
  );
}
