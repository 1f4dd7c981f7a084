import type { VNode } from "preact";
import type { Store } from "../store/store.ts";
import { trans } from "../translation.ts";
import type { Connection } from "../transport/target.ts";
import { Button } from "./button.tsx";
import { useStore } from "./context.ts";
import { withCode } from "./text.tsx";
import "./connection.css";

function stateInWords(state: Connection["state"]): string {
  const words: Record<Connection["state"], string> = {
    connecting: trans.__("Connecting …"),
    open: trans.__("Connected"),
    waiting: trans.__("Connection lost."),
    resting: trans.__("Not connected."),
    closed: trans.__("Disconnected"),
    deleted: trans.__("The session was deleted."),
  };
  return words[state];
}

/** The state of the connection to the server, and the number of messages that wait for it. */
export function ConnectionLine(): VNode | null {
  const store = useStore("composer");
  const { connection } = store;
  if (connection === null) return null;
  const { state } = connection;
  const leave = state === "open" || state === "connecting";
  return (
    <div class="rw-connection rw-model" data-connection={state}>
      <span class="rw-dot" />
      {/* The countdown is outside of the live region: it would be announced every second. */}
      <span role="status">
        {stateInWords(state)} {"reason" in connection && withCode(connection.reason)}
      </span>
      {state === "waiting" && <span class="rw-duration">{trans.__("Next try in %1 s", connection.seconds)}</span>}
      <Waiting count={store.waitingMessages} />
      {state !== "deleted" && (
        <Button kind={leave ? "quiet" : "plain"} onPress={() => (leave ? store.disconnect() : store.connect())}>
          {leave ? trans.__("Disconnect") : trans.__("Connect")}
        </Button>
      )}
    </div>
  );
}

function Waiting({ count }: { count: Store["waitingMessages"] }): VNode {
  const text = count === 0 ? "" : trans._n("%1 message waits", "%1 messages wait", count);
  return (
    <span role="status" class={count === 0 ? "" : "rw-badge"}>
      {text}
    </span>
  );
}
