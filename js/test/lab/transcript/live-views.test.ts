import { expect, it } from "vitest";
import { modelIdOf, updated, WIDGET_MIME, withModel, withoutView } from "../../../src/lab/transcript/live-views.ts";
import { SESSION_MIME } from "../../../src/protocol/frames.ts";

const view = { version_major: 2, version_minor: 0, model_id: "live" };
const session = { format: "reasoning-widget.session", events: [] };

it.each([
  ["our session that names its model", { [SESSION_MIME]: { ...session, model_id: "live" }, "text/plain": "a chat" }],
  ["an empty session", { [SESSION_MIME]: { ...session, saved: false, model_id: "live" } }],
])("the live view is left out beside %s", (_, data) => {
  expect(withoutView({ [WIDGET_MIME]: view, ...data })).toEqual(data);
});

it.each([
  ["a widget of others", { [WIDGET_MIME]: view, "text/plain": "IntSlider()" }],
  ["a session of an earlier kernel, which names no model", { [WIDGET_MIME]: view, [SESSION_MIME]: session }],
  ["what somebody edited", { [WIDGET_MIME]: view, [SESSION_MIME]: "nothing", "text/html": "" }],
  ["a number for a model", { [WIDGET_MIME]: view, [SESSION_MIME]: { model_id: 7 } }],
  ["no view at all", { [SESSION_MIME]: { ...session, model_id: "live" } }],
  ["nothing", {}],
])("%s stays as it is", (_, data) => {
  expect(withoutView(data)).toBe(data);
});

it("the model is named by the session, in earlier files only by the view", () => {
  expect(modelIdOf({ [SESSION_MIME]: { ...session, model_id: "a" }, [WIDGET_MIME]: { model_id: "b" } })).toBe("a");
  expect(modelIdOf({ [SESSION_MIME]: session, [WIDGET_MIME]: { model_id: "b" } })).toBe("b");
  expect(modelIdOf({ [SESSION_MIME]: null })).toBeUndefined();
});

it("a bundle from the kernel keeps the name of the model", () => {
  const named = { [SESSION_MIME]: { ...session, model_id: "live" } };
  expect(withModel({ [SESSION_MIME]: session }, "live")).toEqual(named);
  expect(withModel(named, "other")).toBe(named);
  expect(withModel({ [SESSION_MIME]: session }, undefined)).toEqual({ [SESSION_MIME]: session });
});

it.each([
  ["this page", { ran_by: "a" }, {}, { ran_by: "a" }],
  ["another page, where the chat is shown twice", { ran_by: "a" }, { ran_by: "b" }, { ran_by: "a" }],
  ["nobody that is known", {}, { ran_by: "b" }, {}],
])("what the kernel sends leaves an output to %s", (_, before, sent, after) => {
  const events = [{ type: "session_info" }];
  const bundle = { [SESSION_MIME]: { ...session, events, ...sent }, "text/plain": "new" };
  expect(updated({ [SESSION_MIME]: { ...session, model_id: "live", ...before } }, bundle)).toEqual({
    [SESSION_MIME]: { ...session, events, model_id: "live", ...after },
    "text/plain": "new",
  });
});
