import { describe, expect, it } from "vitest";
import { mayFetch, texMayFetch, withoutScripts } from "../../src/lab/external-data.ts";

const LITE = "application/vnd.vegalite.v5+json";
const VEGA = "application/vnd.vega.v5+json";
const PLOT = {
  $schema: "https://vega.github.io/schema/vega-lite/v5.json",
  mark: "bar",
  data: { values: [{ a: "A", b: 28 }] },
};
const far = "https://example.org/x";

describe("whether drawing a value might fetch something", () => {
  it.each<[string, string, unknown]>([
    ["a plot with its data in it", LITE, PLOT],
    ["a picture in a plot", VEGA, { marks: [{ encode: { url: "data:image/png;base64,AAAA" } }] }],
    ["text that has a slash in it", LITE, { title: "miles / hour: all of them" }],
    ["data", "application/json", { url: far }],
    ["a formula", "text/latex", "$\\frac{1}{2} \\text{ // } \\hrefs$"],
    ["a picture", "image/bmp", far],
  ])("not for %s", (_what, type, value) => expect(mayFetch(type, value)).toBe(false));

  it.each<[string, unknown]>([
    ["an address", { ...PLOT, data: { url: far } }],
    ["an address without a scheme", { ...PLOT, data: { url: "//example.org/x.csv" } }],
    ["an address with white space in it", { ...PLOT, title: "/\t/example.org/x" }],
    ["an address with backslashes", { ...PLOT, title: "/\\example.org/x" }],
    ["an address without slashes", { ...PLOT, title: "https:example.org" }],
    ["a file of this server", { ...PLOT, data: { url: "api/contents" } }],
    ["an address that is put together", { ...PLOT, data: { url: { signal: "'https:' + '//example.org'" } } }],
    ["an address out of the data", { ...PLOT, encoding: { url: { field: "a" } } }],
    ["a picture", { layout: { images: [{ source: `${far}.png` }] } }],
    ["a pointer that is a picture", { marks: [{ encode: { cursor: { value: "url(x.cur), auto" } } }] }],
    ["a picture in a tooltip", { tooltip: { signal: "{image: '/' + '/example.org'}" } }],
    ["a name that is put together", { transform: [{ type: "pivot", field: "a" }] }],
    ["an address in a name", { $schema: { url: far } }],
    ["other options of who draws it", { ...PLOT, usermeta: { embedOptions: { patch: far } } }],
    ["a link", { marks: [{ encode: { href: { value: "javascript:alert(1)" } } }] }],
    ["the address of a plot", `${far}.json`],
    ["the address of a plot beside the page", "plot.json"],
  ])("for %s", (_what, value) => expect([LITE, VEGA].map((type) => mayFetch(type, value))).toEqual([true, true]));

  it.each<[string, string, unknown]>([
    ["a diagram", "text/vnd.mermaid", `flowchart TD\n A@{ img: "${far}.png" }`],
    ["a map", "application/geo+json", { type: "Point", coordinates: [0, 0] }],
    ["a plot of another kind", "application/vnd.plotly.v1+json", { data: [{ type: "scattergeo" }] }],
    ["whatever nobody here knows", "application/x-new+json", {}],
    ["a formula that loads a script", "text/latex", "$\\require{[mathjax]/x}$"],
    ["a formula with a style", "text/latex", "$\\bbox[background:url(x)]{x}$"],
  ])("for %s", (_what, type, value) => expect(mayFetch(type, value)).toBe(true));

  it("for a formula in a text", () => {
    expect(texMayFetch("so $\\require {action}$")).toBe(true);
    expect(texMayFetch("we require $x$")).toBe(false);
  });
});

describe("a plot that the reader wants to see", () => {
  it("keeps its fields, without scripts and embedding options", () => {
    const field = { input: "range", min: 1, options: ["a"] };
    const spoilt = { ...field, onfocus: "hit()", ONCLICK: ["hit()"], autofocus: "", element: "body", style: "top:0" };
    const plot = (bind: object) => ({ ...PLOT, params: [{ name: "p", bind }, { bind: { year: bind } }] });
    expect(withoutScripts(LITE, { ...plot(spoilt), usermeta: { embedOptions: {} } })).toEqual(plot(field));
  });

  it("is not replaced by a remote one", () => expect(withoutScripts(VEGA, far)).toEqual({}));

  it("leaves other types as they are", () => expect(withoutScripts("text/vnd.mermaid", far)).toBe(far));
});
