import type { ButtonHTMLAttributes, ComponentChildren, VNode } from "preact";
import "./button.css";

interface ButtonProps {
  children?: ComponentChildren;
  onPress: () => void;
  /** `quiet` ones are text until they are pointed at; a `strong` one is the thing to do next. */
  kind?: "plain" | "quiet" | "strong";
  /** The accessible name, where the content does not say it. */
  label?: string;
  /** Nothing to press now. It keeps the focus: a button that is disabled would lose it to the notebook. */
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
