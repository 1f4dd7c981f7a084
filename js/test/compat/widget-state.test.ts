import { describe, expect, it } from "vitest";
import { withoutOurs } from "../../src/compat/widget-state.ts";

const STATE_MIME = "application/vnd.jupyter.widget-state+json";

const chat = {
  model_module: "anywidget",
  state: {
    _anywidget_id: "reasoning_widget.widget.chat.ReasoningChat",
    layout: "IPY_MODEL_own",
    look: "IPY_MODEL_both",
  },
};
const slider = { model_module: "@jupyter-widgets/controls", state: { layout: "IPY_MODEL_both" } };
const part = { model_module: "@jupyter-widgets/base", state: {} };

function saved(state: object): object {
  return { [STATE_MIME]: { version_major: 2, version_minor: 0, state } };
}

describe("the saved widget state of a notebook", () => {
  it("contains no chats, and no models to which only chats refer", () =>
    expect(withoutOurs(saved({ chat, slider, own: part, both: part }))).toEqual(saved({ slider, both: part })));

  it("is removed if it contains only chats", () => expect(withoutOurs(saved({ chat, own: part }))).toBeNull());

  it.each([
    ["other widgets", saved({ slider, both: part, odd: {} })],
    ["nothing", undefined],
    ["what no widget wrote", { [STATE_MIME]: {} }],
  ])("stays as it is with %s", (_what, metadata) => expect(withoutOurs(metadata)).toBe(metadata));
});
