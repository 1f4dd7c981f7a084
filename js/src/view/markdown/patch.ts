// Replaces nodes by new ones, and keeps those that are equal: only changes are laid out, and selections survive.

/** Replace `old`, the last children of `parent`, by `next`, reusing equal nodes. Returns the resulting nodes. */
export function patch(parent: Node, old: ChildNode[], next: ChildNode[]): ChildNode[] {
  for (const node of old.slice(next.length)) node.remove();
  return next.map((node, index) => {
    const known = old[index];
    if (known === undefined) return parent.appendChild(node);
    if (keep(known, node)) return known;
    known.replaceWith(node);
    return node;
  });
}

/** Change `known` so that it equals `node`. Returns whether that is possible. */
function keep(known: ChildNode, node: ChildNode): boolean {
  if (known.isEqualNode(node)) return true;
  if (known instanceof Text && node instanceof Text) {
    if (node.data.startsWith(known.data)) known.appendData(node.data.slice(known.length));
    else known.data = node.data;
    return true;
  }
  if (!known.cloneNode(false).isEqualNode(node.cloneNode(false))) return false;
  patch(known, [...known.childNodes], [...node.childNodes]);
  return true;
}
