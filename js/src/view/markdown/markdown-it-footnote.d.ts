// The package is published without types.
declare module "markdown-it-footnote" {
  import type MarkdownIt from "markdown-it";
  export default function footnote(md: InstanceType<typeof MarkdownIt>): void;
}
