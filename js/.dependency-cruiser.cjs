// No import circles, also of types, and the layers that CONTRIBUTING.md describes: protocol ← compat ← transport ← store ← view ← lab.

const LAYERS = [
  // Shared by all layers: state of the page, translation, numbers as text, optional modules.
  "^src/(page-wide|translation|format|modules)\\.ts$",
  "^src/protocol/",
  // Seams into other people's code.
  "^src/compat/",
  "^src/transport/",
  "^src/store/",
  "^src/view/",
  "^src/lab/",
];

/** A layer imports itself and the layers before it. */
const layers = LAYERS.slice(0, -1).map((path, index) => ({
  name: `layer ${path}`,
  severity: "error",
  from: { path },
  to: { path: "^src/", pathNot: LAYERS.slice(0, index + 1) },
}));

module.exports = {
  forbidden: [{ name: "no circles", severity: "error", from: {}, to: { circular: true } }, ...layers],
  options: { doNotFollow: { path: "node_modules" }, tsPreCompilationDeps: true },
};
