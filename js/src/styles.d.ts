// esbuild and rspack bundle the styles that a view imports.

declare module "*.css";
