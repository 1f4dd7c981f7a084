// Firefox for the tests, over WebDriver BiDi: commands on standard input, answers on standard output, one per line.
//
//   node scripts/firefox.mjs <path of Firefox>
//
// A command is a JSON list, ["goto", url], ["evaluate", expression], ["click", selector], ["type", selector, text] or
// ["screenshot", path]; an answer is {"value": …} or {"error": …}. It ends at the end of the input.
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: process.argv[2],
  headless: true,
  defaultViewport: { width: 1280, height: 1000 },
});
const page = await browser.newPage();
page.on("dialog", (dialog) => dialog.accept()); // "Leave page?"

const commands = {
  goto: async (url) => void (await page.goto(url)),
  evaluate: (expression) => page.evaluate(expression),
  click: (selector) => page.click(selector),
  type: (selector, text) => page.type(selector, text),
  screenshot: async (path) => void (await page.screenshot({ path })),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...values] = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await commands[name](...values)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
