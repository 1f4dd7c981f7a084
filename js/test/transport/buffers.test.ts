import { expect, it } from "vitest";
import type { ClientMessage } from "../../src/protocol/frames.ts";
import { withBuffers } from "../../src/transport/buffers.ts";

const chat = (message: unknown): ClientMessage => ({
  type: "chat",
  id: "m",
  payload: { message, agent_name: "a" } as ClientMessage["payload"],
});

it("moves attachments out of a message, in order", () => {
  const message = chat([
    { text: "Why?" },
    { image: "data:image/png;base64,AP8=", name: "a.png" },
    { file: "data:text/csv;base64,YSxi", name: "b.csv" },
  ]);
  const { content, buffers } = withBuffers(message);
  expect(content).toEqual(
    chat([
      { text: "Why?" },
      { image: "data:image/png;base64,", name: "a.png" },
      { file: "data:text/csv;base64,", name: "b.csv" },
    ]),
  );
  expect(buffers.map((buffer) => [...new Uint8Array(buffer)])).toEqual([
    [0, 255],
    [97, 44, 98],
  ]);
});

it.each([[chat("Why?")], [{ type: "ping", payload: {} } as ClientMessage]])(
  "leaves other messages as they are",
  (message) => {
    expect(withBuffers(message)).toEqual({ content: message, buffers: [] });
  },
);
