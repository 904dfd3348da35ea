// What has to hold on every screen whatever its fonts, and what axe-core finds.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect } from "@playwright/test";

// axe-core waits with timers, which stand still where a test has stopped the page's clock: see stand().
const axe = `(({ setTimeout, clearTimeout }) => {
${readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")}
})(window.timers ?? window)`;
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

// findFaults runs in the page and returns what is wrong with its layout.
function findFaults() {
  const faults = [];
  const root = document.documentElement;
  const shown = (element) => element.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }) &&
    !element.closest("#announce");
  const name = (element) => element.id ? `#${element.id}` : `<${element.localName}> ${element.textContent.trim().slice(0, 30)}`;

  if (root.scrollWidth > root.clientWidth) faults.push(`scrolls sideways: ${root.scrollWidth} in ${root.clientWidth}`);

  const texts = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walk.nextNode(); text; text = walk.nextNode()) {
    const parent = text.parentElement;
    if (text.data.trim() === "" || ["OPTION", "SCRIPT", "NOSCRIPT"].includes(parent.localName.toUpperCase()) || !shown(parent)) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    for (const box of range.getClientRects()) texts.push({ parent, box });
  }
  for (const { parent, box } of texts) {
    if (box.left < -1 || box.right > root.clientWidth + 1) faults.push(`text outside: ${name(parent)}`);
    for (let e = parent; e && e !== document.body; e = e.parentElement) {
      const style = getComputedStyle(e);
      if (style.overflowX === "visible" && style.overflowY === "visible") continue;
      const frame = e.getBoundingClientRect();
      const scrolls = (overflow) => overflow === "auto" || overflow === "scroll";
      if (!scrolls(style.overflowX) && (box.left < frame.left - 1 || box.right > frame.right + 1)) faults.push(`text cut off: ${name(e)}`);
      if (!scrolls(style.overflowY) && (box.top < frame.top - 3 || box.bottom > frame.bottom + 3)) faults.push(`text cut off: ${name(e)}`);
      if (style.textOverflow === "ellipsis" && e.scrollWidth > e.clientWidth) faults.push(`text cut off: ${name(e)}`);
    }
  }
  // The lines of one element may touch, those of two may not.
  const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 6;
  for (const [i, a] of texts.entries()) {
    for (const b of texts.slice(i + 1)) {
      if (a.parent !== b.parent && !a.parent.contains(b.parent) && !b.parent.contains(a.parent) && overlap(a.box, b.box)) {
        faults.push(`text over text: ${name(a.parent)} and ${name(b.parent)}`);
      }
    }
  }

  const controls = [...document.querySelectorAll("a, button, select, summary, input, textarea, canvas")].filter(shown);
  for (const [i, a] of controls.entries()) {
    const box = a.getBoundingClientRect();
    if (box.left < -1 || box.right > root.clientWidth + 1) faults.push(`outside: ${name(a)}`);
    for (const b of controls.slice(i + 1)) {
      if (a.contains(b) || b.contains(a)) continue;
      const other = b.getBoundingClientRect();
      if (Math.min(box.right, other.right) - Math.max(box.left, other.left) > 1 &&
        Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top) > 1) faults.push(`${name(a)} over ${name(b)}`);
    }
  }

  const headings = [...document.querySelectorAll("h1")];
  if (headings.length !== 1 || !shown(headings[0]) || headings[0].textContent.trim() === "") faults.push("no heading");
  return [...new Set(faults)];
}

// looksRight checks the layout, and the language and its direction.
export async function looksRight(page, { language, rtl = false, what = "" }) {
  expect(await page.evaluate(findFaults), `layout ${what}`).toEqual([]);
  const html = page.locator("html");
  await expect(html).toHaveAttribute("lang", language);
  expect(await html.evaluate((root) => getComputedStyle(root).direction), "direction").toBe(rtl ? "rtl" : "ltr");
}

// isAccessible lets axe-core look for what fails WCAG 2.2 AA, but for the rules in except.
export async function isAccessible(page, what = "", except = []) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const { violations } = await page.evaluate((tags) =>
    window.axe.run(document, { runOnly: tags, preload: false, resultTypes: ["violations"] }), RULES);
  const told = violations.filter(({ id }) => !except.includes(id)).map(({ id, nodes }) =>
    `${id}: ${nodes.map((node) => `${node.target.join(" ")} (${node.failureSummary.replaceAll("\n", " ")})`).join("; ")}`);
  expect(told, `axe-core ${what}`).toEqual([]);
}
