import { Sanitizer } from "@jupyterlab/apputils/lib/sanitizer";
import { expect, it } from "vitest";

it.each([
  '<pre style="background-color:#ffffff;color:#1f2328;padding:4px 8px;border-radius:4px">x</pre>',
  '<span style="font-weight:700;font-style:italic;color:#ff8700;background-color:#00005f">x</span>',
])("JupyterLab's sanitizer keeps the colours of exported text: %s", (html) => {
  expect(new Sanitizer().sanitize(html)).toBe(html);
});
