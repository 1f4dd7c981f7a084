// Options for building the lab extension, in addition to jupyter-builder's own: from TypeScript, for Preact.

const { BannerPlugin } = require("@rspack/core");

const bell = process.env.REASONING_WIDGET_BELL;

/** During development, a page saves its documents and reloads when `dev.mjs` sends a message. */
const listening = `globalThis.EventSource && (new EventSource("http://127.0.0.1:${bell}").onmessage = async () => {
  await globalThis.jupyterapp?.commands.execute("docmanager:save-all");
  location.reload();
});`;

module.exports = {
  plugins: bell ? [new BannerPlugin({ banner: listening, raw: true, test: /remoteEntry/ })] : [],
  // Parts of a package have no licence file of their own; that of the package is found.
  ignoreWarnings: [/could not find any license file for/],
  module: {
    rules: [
      {
        test: /\.tsx?$/,
        loader: "builtin:swc-loader",
        options: {
          jsc: {
            parser: { syntax: "typescript", tsx: true },
            target: "es2022",
            transform: { react: { runtime: "automatic", importSource: "preact" } },
          },
        },
      },
    ],
  },
};
