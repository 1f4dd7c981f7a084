import type { ButtonHTMLAttributes, ComponentChildren, VNode } from "preact";
import "./button.css";

interface ButtonProps {
  children?: ComponentChildren;
  onPress: () => void;
  /** `quiet`: looks like text until it is hovered; `strong`: the main action. */
  kind?: "plain" | "quiet" | "strong";
  /** The accessible name, if the content does not say it. */
  label?: string;
  /** Disabled, but still focusable: `disabled` would move the focus to the notebook. */
  unavailable?: boolean;
  class?: string;
  title?: string;
}

/** A button of the widget. */
export function Button(props: ButtonProps): VNode {
  const { children, onPress, kind = "plain", label, unavailable = false, title } = props;
  const attributes: ButtonHTMLAttributes<HTMLButtonElement> = {};
  if (label) attributes["aria-label"] = label;
  if (title) attributes.title = title;
  if (unavailable) attributes["aria-disabled"] = "true";
  return (
    <button
      type="button"
      class={`rw-button rw-${kind} ${props.class ?? ""}`}
      onClick={unavailable ? undefined : onPress}
      {...attributes}
    >
      {children}
    </button>
  );
}
