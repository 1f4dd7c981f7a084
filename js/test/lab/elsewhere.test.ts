import { describe, expect, it } from "vitest";
import { asksElsewhere } from "../../src/lab/elsewhere.ts";

const PLOT = {
  $schema: "https://vega.github.io/schema/vega-lite/v5.json",
  mark: "bar",
  data: { values: [{ a: "A", b: 28 }] },
};

describe("whether drawing a value fetches something", () => {
  it.each([
    ["a plot with its data in it", PLOT],
    ["a picture in the value", { mark: { type: "image", url: "data:image/png;base64,AAAA" } }],
    ["text that has two slashes in it", { title: "miles // kilometres" }],
    ["no object", "https://example.org"],
  ])("not for %s", (_what, value) => expect(asksElsewhere(value)).toBe(false));

  it.each([
    ["an address", { ...PLOT, data: { url: "https://example.org/x.csv" } }],
    ["an address without a scheme", { ...PLOT, data: { url: "//example.org/x.csv" } }],
    ["a file of this server", { ...PLOT, data: { url: "api/contents" } }],
    ["an address that is put together", { ...PLOT, data: { url: { signal: "'https:' + '//example.org'" } } }],
    ["a picture", { layout: { images: [{ source: "https://example.org/x.png" }] } }],
    ["a link", { marks: [{ encode: { href: { value: "javascript:alert(1)" } } }] }],
  ])("for %s", (_what, value) => expect(asksElsewhere(value)).toBe(true));
});
