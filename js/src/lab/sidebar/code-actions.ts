// The actions for code in an answer, in a bar above each block. It consists of DOM nodes without components, because the text
// may be drawn by a widget with another copy of this code.

import type { TranslationBundle } from "@jupyterlab/translation";
import type { CommandRegistry } from "@lumino/commands";
import type { Origin } from "../../modules.ts";
import { copyText } from "../../view/copy.tsx";
import { INSERT_CODE, REPLACE_CELL } from "../commands.ts";
import "./code-actions.css";

const BAR = "rw-code-bar";

/** Add a bar to each code block of a complete text that has none yet. */
export function addActions(
  root: HTMLElement,
  origin: Origin,
  commands: CommandRegistry,
  trans: TranslationBundle,
): void {
  for (const block of root.querySelectorAll<HTMLElement>("pre[data-rw-lang]")) {
    if (block.previousElementSibling?.classList.contains(BAR)) continue;
    const code = (): string => (block.querySelector("code")?.textContent ?? "").replace(/\n$/, "");
    const language = document.createElement("span");
    language.className = "rw-code-language";
    language.textContent = block.dataset.rwLang ?? "";
    const bar = document.createElement("div");
    bar.className = BAR;
    bar.append(
      language,
      copyButton(code, trans),
      commandButton(INSERT_CODE, () => ({ ...origin, code: code() }), commands),
      commandButton(REPLACE_CELL, () => ({ ...origin, code: code() }), commands),
    );
    block.before(bar);
  }
}

function copyButton(code: () => string, trans: TranslationBundle): HTMLButtonElement {
  const button = makeButton(trans.__("Copy"), trans.__("Copy the code"));
  button.addEventListener("click", () => {
    void copyText(code()).then((done) => {
      if (!done) return;
      button.textContent = trans.__("Copied");
      setTimeout(() => {
        button.textContent = trans.__("Copy");
      }, 1500);
    });
  });
  return button;
}

/** A button that executes a command, disabled while the command is. */
function commandButton(
  id: string,
  args: () => Origin & { code: string },
  commands: CommandRegistry,
): HTMLButtonElement {
  const button = makeButton(commands.label(id), commands.caption(id));
  const update = (): void => {
    button.setAttribute("aria-disabled", String(!commands.isEnabled(id)));
  };
  const changed = (): void => {
    if (button.isConnected) update();
    else commands.commandChanged.disconnect(changed); // the text was removed or drawn again
  };
  update();
  commands.commandChanged.connect(changed);
  button.addEventListener("click", () => {
    if (commands.isEnabled(id)) void commands.execute(id, { ...args() });
  });
  return button;
}

function makeButton(label: string, title: string): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "rw-button rw-quiet";
  button.textContent = label;
  button.title = title;
  return button;
}
