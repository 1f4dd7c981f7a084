// Markdown that grows. Blocks that can no longer change are drawn once and left alone; only the last one is drawn again
// as it grows. When it ends, the nodes are those that drawing the whole text at once would have made.

import { onModule } from "../../modules.ts";
import { type Block, countFinal, parseBlocks, refine, renderBlock } from "./blocks.ts";
import { patch } from "./patch.ts";

/** While it grows, code is coloured up to this length, in UTF-16 units; what is longer gets its colours at its end. */
const COLOURED_LIVE = 6000;
const CLOSED = /\n {0,3}[`~]{3,}[ \t]*\n*$/;

/** A fenced block that is still open: the text at its end, without colours. */
interface OpenCode {
  node: Text;
  /** Where its code begins in the source. */
  start: number;
  /** How much of the source is drawn. */
  end: number;
}

export class MarkdownStream {
  readonly #root: HTMLElement;
  readonly #stopListening: () => void;
  #source = "";
  #final = 0;
  #defined = false;
  #tail: ChildNode[] = [];
  #code: OpenCode | null = null;

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
    const { blocks, defines } = parseBlocks(tail);
    this.#defined ||= defines;
    this.#draw(blocks, done ? blocks.length : countFinal(blocks, tail));
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

  #draw(blocks: Block[], final: number): void {
    const drawn = blocks.map((block) => [...renderBlock(block).childNodes]);
    const nodes = patch(this.#root, this.#tail, drawn.flat());
    this.#tail = nodes.slice(drawn.slice(0, final).flat().length);
    this.#code = this.#openCode(blocks.length === final + 1 ? blocks[final] : undefined);
    this.#final += blocks[final - 1]?.end ?? 0;
  }

  #openCode(block: Block | undefined): OpenCode | null {
    if (block?.tokens[0]?.type !== "fence") return null;
    const start = this.#final + block.start;
    const raw = this.#source.slice(start, this.#final + block.end);
    const [fence] = /^[`~].*\n/.exec(raw) ?? [];
    const code = this.#tail[0]?.firstChild;
    if (fence === undefined || CLOSED.test(raw) || !code) return null;
    const end = this.#source.length;
    const only = code.childNodes.length === 1 ? code.firstChild : null;
    if (only instanceof Text) return { node: only, start: start + fence.length, end };
    if (raw.length < COLOURED_LIVE || !this.#source.endsWith("\n")) return null;
    return { node: code.appendChild(document.createTextNode("")), start: end, end };
  }

  /** Code without colours only grows at its end: no need to read it all again. */
  #appendToCode(): boolean {
    const code = this.#code;
    if (!code) return false;
    const line = this.#source.lastIndexOf("\n", code.end - 1) + 1;
    if (/[`~]/.test(this.#source.slice(line))) return false; // it may be closed
    const last = this.#source.lastIndexOf("\n") + 1;
    // Spaces alone are no line before it ends.
    const text = this.#source.slice(code.start, /\S/.test(this.#source.slice(last)) ? undefined : last);
    code.node.data = text === "" || text.endsWith("\n") ? text : `${text}\n`;
    code.end = this.#source.length;
    return true;
  }
}

/** Draw `text`, which is complete, into `root`. */
export function drawMarkdown(root: HTMLElement, text: string): void {
  root.replaceChildren(...parseBlocks(text.replace(/\r\n?/g, "\n")).blocks.map(renderBlock));
}
