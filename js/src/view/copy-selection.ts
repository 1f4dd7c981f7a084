// Copies selected text: formulas as their source, without the labels of buttons.

/** Copy selections below `root` as the text was written. */
export function copySource(root: HTMLElement): void {
  root.addEventListener("copy", (event) => {
    const selection = document.getSelection();
    if (!event.clipboardData || !selection || selection.isCollapsed || isField(event.target)) return;
    const holder = document.createElement("div");
    for (let index = 0; index < selection.rangeCount; index++) {
      holder.append(wholeFormulas(selection.getRangeAt(index)).cloneContents());
    }
    const formulas = holder.querySelectorAll<HTMLElement>("[data-rw-tex]");
    const controls = holder.querySelectorAll("button, select, [role=button]");
    if (formulas.length === 0 && controls.length === 0) return;
    for (const formula of formulas) {
      formula.textContent = formula.getAttribute("data-rw-tex");
      formula.style.whiteSpace = "pre-wrap";
    }
    for (const control of controls) control.remove();
    event.preventDefault();
    event.clipboardData.setData("text/html", holder.innerHTML);
    event.clipboardData.setData("text/plain", textOf(root, holder));
  });
}

/** `range`, extended to the whole formulas in which it begins and ends. */
function wholeFormulas(range: Range): Range {
  const whole = range.cloneRange();
  const first = formulaOf(range.startContainer);
  const last = formulaOf(range.endContainer);
  if (first) whole.setStartBefore(first);
  if (last) whole.setEndAfter(last);
  return whole;
}

function formulaOf(node: Node): Element | null {
  const element = node instanceof Element ? node : node.parentElement;
  return element?.closest("[data-rw-tex]") ?? null;
}

/** The text of `holder` with line breaks as laid out in `root`. */
function textOf(root: HTMLElement, holder: HTMLElement): string {
  holder.className = "rw-markdown";
  holder.style.cssText = "position:fixed;inset-inline-start:-9999px;width:1000px";
  root.append(holder);
  const text = holder.innerText;
  holder.remove();
  return text;
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}
