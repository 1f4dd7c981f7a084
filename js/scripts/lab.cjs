// How the lab extension is built, beside what jupyter-builder does by itself: from TypeScript, for Preact.

module.exports = {
  // Parts of a package have no licence file; the package's own is found.
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
