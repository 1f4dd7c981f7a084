import type { VNode } from "preact";
import type { Store } from "../store.ts";
import type { Connection } from "../transport/target.ts";
import { Button } from "./button.tsx";
import { useStore } from "./context.ts";
import { withCode } from "./text.tsx";
import "./connection.css";

const STATES: Record<Connection["state"], string> = {
  connecting: "Connecting …",
  open: "Connected",
  waiting: "Connection lost.",
  resting: "Not connected.",
  closed: "Disconnected",
  deleted: "The session was deleted.",
};

/** How it stands with the connection to the server, and how many messages wait for it. */
export function ConnectionLine(): VNode | null {
  const store = useStore("composer");
  const { connection } = store;
  if (connection === null) return null;
  const { state } = connection;
  const leave = state === "open" || state === "connecting";
  return (
    <div class="rw-connection rw-model" data-connection={state}>
      <span class="rw-dot" />
      {/* The seconds are no part of what is announced: it would not come to an end. */}
      <span role="status">
        {STATES[state]} {"reason" in connection && withCode(connection.reason)}
      </span>
      {state === "waiting" && <span class="rw-duration">Next try in {connection.seconds} s</span>}
      <Waiting count={store.waitingMessages} />
      {state !== "deleted" && (
        <Button kind={leave ? "quiet" : "plain"} onPress={() => (leave ? store.disconnect() : store.connect())}>
          {leave ? "Disconnect" : "Connect"}
        </Button>
      )}
    </div>
  );
}

function Waiting({ count }: { count: Store["waitingMessages"] }): VNode {
  const text = count === 0 ? "" : `${count} ${count === 1 ? "message waits" : "messages wait"}`;
  return (
    <span role="status" class={count === 0 ? "" : "rw-badge"}>
      {text}
    </span>
  );
}
