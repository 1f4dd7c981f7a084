// Draws growing Markdown. Blocks that cannot change any more are drawn once; only the last one is drawn again. In the end,
// the nodes are the same as if the whole text had been drawn at once.

import { onModule } from "../../modules.ts";
import { type Block, countFinal, parseBlocks, refine, renderBlock } from "./blocks.ts";
import { patch } from "./patch.ts";

/** Growing code is highlighted up to this length, in UTF-16 units; longer code, when it is complete. */
const MAX_LIVE_HIGHLIGHTED = 6000;
const CLOSED = /\n {0,3}[`~]{3,}[ \t]*\n*$/;

/** An open fenced block, with the text at its end that is not highlighted. */
interface OpenCode {
  node: Text;
  /** The position of its code in the source. */
  start: number;
  /** The position up to which the source is drawn. */
  end: number;
}

/** Draws a growing text into an element. */
export class MarkdownStream {
  readonly #root: HTMLElement;
  readonly #stopListening: () => void;
  #source = "";
  #final = 0;
  #defined = false;
  #tail: ChildNode[] = [];
  #code: OpenCode | null = null;

  /** `root` must contain nothing else. */
  constructor(root: HTMLElement) {
    this.#root = root;
    this.#stopListening = onModule(() => refine(this.#root));
  }

  /** Show `text`, which is complete if `done`. */
  update(text: string, done: boolean): void {
    const source = text.replace(/\r\n?/g, "\n");
    if (!source.startsWith(this.#source)) this.#restart();
    this.#source = source;
    if (!done && this.#appendToCode()) return;
    if (done && this.#defined) {
      // Earlier blocks, which are drawn already, may refer to link definitions that follow them.
      this.#restart();
      this.#source = source;
    }
    const tail = source.slice(this.#final);
    const { blocks, defines } = parseBlocks(tail);
    this.#defined ||= defines;
    this.#draw(blocks, done ? blocks.length : countFinal(blocks, tail));
  }

  /** Stop reacting to loaded modules. */
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
    if (raw.length < MAX_LIVE_HIGHLIGHTED || !this.#source.endsWith("\n")) return null;
    return { node: code.appendChild(document.createTextNode("")), start: end, end };
  }

  /** Append to code that is not highlighted, without parsing it again. Returns whether that is possible. */
  #appendToCode(): boolean {
    const code = this.#code;
    if (!code) return false;
    const line = this.#source.lastIndexOf("\n", code.end - 1) + 1;
    if (/[`~]/.test(this.#source.slice(line))) return false; // the fence may be closed
    const last = this.#source.lastIndexOf("\n") + 1;
    // An incomplete line of spaces is not drawn yet.
    const text = this.#source.slice(code.start, /\S/.test(this.#source.slice(last)) ? undefined : last);
    code.node.data = text === "" || text.endsWith("\n") ? text : `${text}\n`;
    code.end = this.#source.length;
    return true;
  }
}

/** Draw a complete text into `root`. */
export function drawMarkdown(root: HTMLElement, text: string): void {
  root.replaceChildren(...parseBlocks(text.replace(/\r\n?/g, "\n")).blocks.map(renderBlock));
}
