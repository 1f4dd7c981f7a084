import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { formatNumber } from "../format.ts";
import { trans } from "../translation.ts";
import { Button } from "./button.tsx";
import { PlainText } from "./text.tsx";
import "./json.css";

/** Longer text, in UTF-16 units, is not parsed as JSON. */
const MAX_JSON = 200_000;
/** The number of entries of an object or list that are shown at first. */
const INITIAL_ENTRIES = 50;
/** On the first `OPEN_LEVELS` levels, objects and lists with at most this many entries are open at first. */
const MAX_OPEN_ENTRIES = 12;
const OPEN_LEVELS = 2;

/** Text that may be JSON: shown as a tree if it is an object or a list, otherwise as it is. */
export function JsonOrText({ text }: { text: string }): VNode {
  const value = parseTree(text);
  return value === undefined ? <PlainText text={text} /> : <JsonTree value={value} />;
}

/** A JSON value as a tree with foldable branches. */
export function JsonTree({ value }: { value: unknown }): VNode {
  return <div class="rw-json">{isBranch(value) ? <Entries value={value} level={0} /> : <Leaf value={value} />}</div>;
}

function parseTree(text: string): object | undefined {
  if (text.length > MAX_JSON || !/^\s*[{[]/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isBranch(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isBranch(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function Entries({ value, level }: { value: object; level: number }): VNode {
  const [shown, setShown] = useState(INITIAL_ENTRIES);
  const entries = Object.entries(value);
  if (entries.length === 0) return <span class="rw-json-empty">{Array.isArray(value) ? "[ ]" : "{ }"}</span>;
  return (
    <div class="rw-json-entries">
      {entries.slice(0, shown).map(([key, child]) => (
        <Entry key={key} name={key} value={child} level={level} />
      ))}
      {entries.length > shown && (
        <Button kind="quiet" class="rw-more" onPress={() => setShown(entries.length)}>
          {trans._n("Show %2 entry", "Show all %2 entries", entries.length, formatNumber(entries.length))}
        </Button>
      )}
    </div>
  );
}

function Entry({ name, value, level }: { name: string; value: unknown; level: number }): VNode {
  if (!isBranch(value) || Object.keys(value).length === 0) {
    return (
      <div class="rw-json-entry">
        <span class="rw-json-key">{name}</span>
        {isBranch(value) ? <Entries value={value} level={level} /> : <Leaf value={value} />}
      </div>
    );
  }
  return <Branch name={name} value={value} level={level} />;
}

function Branch({ name, value, level }: { name: string; value: object; level: number }): VNode {
  const size = Object.keys(value).length;
  const number = formatNumber(size);
  const [open, setOpen] = useState(level < OPEN_LEVELS && size <= MAX_OPEN_ENTRIES);
  return (
    <details class="rw-json-branch" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary class="rw-json-summary">
        <span class="rw-json-key">{name}</span>
        <span class="rw-json-size">
          {Array.isArray(value)
            ? trans._n("%2 item", "%2 items", size, number)
            : trans._n("%2 field", "%2 fields", size, number)}
        </span>
      </summary>
      {open && <Entries value={value} level={level + 1} />}
    </details>
  );
}

function Leaf({ value }: { value: unknown }): VNode {
  if (typeof value === "string") {
    return (
      <div class="rw-json-string">
        <PlainText text={value} />
      </div>
    );
  }
  return <span class="rw-json-atom">{String(value)}</span>;
}
