// The simplest page that shows growing Markdown well: tokens that arrive within a frame are drawn together, finished
// blocks are drawn once, and only the last block is redrawn.

import DOMPurify from "dompurify";
import { Marked } from "marked";

const FRAME = 16; // ms
const marked = new Marked({ gfm: true });
const answer = document.getElementById("answer");

let tail = "";
let live = [];
let requested = false;
let drawnAt = Number.NEGATIVE_INFINITY;

const socket = new WebSocket(`ws://${location.host}/tokens`);

socket.onmessage = ({ data }) => {
  tail += data;
  if (requested) return;
  // If nothing was drawn for a frame, there is nothing to merge with, and waiting for the next frame only adds delay.
  if (performance.now() - drawnAt >= FRAME) {
    draw();
  } else {
    requested = true;
    requestAnimationFrame(draw);
  }
};

function draw() {
  requested = false;
  for (const node of live) node.remove();
  live = [];
  const blocks = marked.lexer(tail);
  const last = blocks.findLastIndex((block) => block.type !== "space");
  for (const [index, block] of blocks.entries()) {
    const nodes = render(block);
    if (index < last) tail = tail.slice(block.raw.length);
    else live.push(...nodes.childNodes);
    answer.append(nodes);
  }
  drawnAt = performance.now();
}

function render(block) {
  return DOMPurify.sanitize(marked.parser([block]), { RETURN_DOM_FRAGMENT: true });
}

window.plain = {
  opened: new Promise((resolve) => {
    socket.onopen = resolve;
  }),
  ask(order) {
    socket.send(order);
  },
  clear() {
    answer.replaceChildren();
    tail = "";
    live = [];
  },
};
