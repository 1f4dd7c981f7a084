import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Step } from "../protocol/fold.ts";
import { channelText, outputText } from "../protocol/fold.ts";
import { trans } from "../translation.ts";
import { Button } from "./button.tsx";
import "./copy.css";

/** A button that copies the text of a step as it was written. */
export function CopyButton({ label, text }: { label: string; text: () => string }): VNode {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <Button
      kind="quiet"
      class={copied ? "rw-copy rw-copied" : "rw-copy"}
      label={label}
      title={copied ? trans.__("Copied") : trans.__("Copy")}
      onPress={() => void copyText(text()).then(setCopied)}
    />
  );
}

/** The text of a step that is copied. */
export function textOf(step: Step): string {
  if (step.type === "tool_use" && step.tool) return `${step.tool.name}\n${channelText(step, "arguments")}`;
  return [outputText(step), channelText(step, "content")].filter(Boolean).join("\n");
}

/** Copy `text` to the clipboard. Resolves to whether that was possible. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyFromPage(text); // the page is not served over HTTPS, or may not use the clipboard
  }
}

function copyFromPage(text: string): boolean {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return done;
}
