// Markdown that grows. Blocks that can no longer change are drawn once and left alone; only the last one is drawn again
// as it grows. When it ends, the nodes are those that drawing the whole text at once would have made.

import type { Token } from "marked";
import { onModule } from "../../modules.ts";
import { asCode, countFinal, parseBlocks, refine, renderBlock } from "./blocks.ts";

export class MarkdownStream {
  readonly #root: HTMLElement;
  readonly #stopListening: () => void;
  #source = "";
  #final = 0;
  #defined = false;
  #tail: ChildNode[] = [];
  #code: { text: string; node: Text } | null = null;

  /** Draws into `root`, which is its own. */
  constructor(root: HTMLElement) {
    this.#root = root;
    this.#stopListening = onModule(() => refine(this.#root));
  }

  /** Show `text`; with `done`, nothing will be added to it. */
  update(text: string, done: boolean): void {
    const source = text.replace(/\r\n?/g, "\n");
    if (!source.startsWith(this.#source)) this.#restart();
    this.#source = source;
    if (!done && this.#appendToCode()) return;
    if (done && this.#defined) {
      // What `[name]: https://…` defines may have been used before it, in blocks that are drawn already.
      this.#restart();
      this.#source = source;
    }
    const tail = source.slice(this.#final);
    const tokens = parseBlocks(tail);
    this.#draw(tokens, done ? tokens.length : countFinal(tokens, tail));
  }

  /** Listen to nothing more. */
  close(): void {
    this.#stopListening();
  }

  #restart(): void {
    this.#root.replaceChildren();
    this.#source = "";
    this.#final = 0;
    this.#defined = false;
    this.#tail = [];
    this.#code = null;
  }

  #draw(tokens: Token[], final: number): void {
    for (const node of this.#tail) node.remove();
    this.#tail = [];
    for (const [index, token] of tokens.entries()) {
      const block = renderBlock(token);
      this.#defined ||= token.type === "def";
      if (index < final) this.#final += token.raw.length;
      else this.#tail.push(...block.childNodes);
      this.#root.append(block);
    }
    const last = asCode(tokens.length === final + 1 ? tokens[final] : undefined);
    const node = last ? this.#tail[0]?.firstChild?.firstChild : null;
    this.#code = last && node instanceof Text ? { text: this.#source, node } : null;
  }

  /** Code without colours only grows at its end: no need to read it all again. */
  #appendToCode(): boolean {
    const code = this.#code;
    if (!code) return false;
    const added = this.#source.slice(code.text.length);
    // A fence, an indentation that ends, or half a line that may be a fence: let the parser decide.
    if (!/^(?:[^\n`~]|\n(?=[^\s`~]))+$/.test(added) || /\n[\s`~]*$/.test(code.text)) return false;
    code.node.data = `${code.node.data.slice(0, -1)}${added}\n`;
    code.text = this.#source;
    return true;
  }
}

/** Draw `text`, which is complete, into `root`. */
export function drawMarkdown(root: HTMLElement, text: string): void {
  root.replaceChildren(...parseBlocks(text.replace(/\r\n?/g, "\n")).map(renderBlock));
}
