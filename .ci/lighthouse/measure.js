// Lighthouse on the page while it waits, on a slow phone: a middling processor four times slower and
// a slow 4G network, which is what Lighthouse takes for one. It exits with 1 if anything is missing in most
// of three measurements, since one alone varies with what else the machine does:
//
//   npm ci --prefix .ci/lighthouse && node .ci/lighthouse/measure.js
import * as launcher from "chrome-launcher";
import lighthouse from "lighthouse";
import build from "../../static/test/browser/build.js";
import { startRoom } from "../../static/test/browser/room.js";

const CATEGORIES = ["performance", "accessibility", "best-practices"];
const RUNS = 3;
const AHEAD = 50; // at one a minute, the page waits for as long as it is measured

// tell says what costs points, and what was measured.
function tell({ categories, audits }) {
  for (const name of CATEGORIES) {
    const { score, auditRefs } = categories[name];
    console.log(`${name}: ${Math.round(score * 100)}`);
    for (const { id, weight } of auditRefs) {
      const { score: part, title, displayValue, scoreDisplayMode } = audits[id];
      if (weight > 0 && part !== null && part < 1) console.log(`  ${id}: ${Math.round(part * 100)} ${title} ${displayValue ?? ""}`);
      if (weight > 0 && scoreDisplayMode === "error") console.log(`  ${id}: could not be measured`);
    }
  }
  const metrics = ["first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift", "speed-index"];
  console.log(metrics.map((id) => `${id} ${audits[id].displayValue}`).join(", "));
}

async function measure() {
  const room = await startRoom({ rate: 1 });
  await room.when((status) => status.phase === "open");
  await room.join(AHEAD);
  const chrome = await launcher.launch({
    chromePath: process.env.CHROMIUM || process.env.CHROME_PATH || undefined,
    chromeFlags: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions"],
  });
  try {
    let full = 0;
    for (let run = 1; run <= RUNS; run++) {
      const { lhr } = await lighthouse(room.page, { port: chrome.port, onlyCategories: CATEGORIES, output: "json" });
      if (lhr.runtimeError) throw new Error(lhr.runtimeError.message);
      tell(lhr);
      const { admitted, line } = await room.status();
      if (line <= AHEAD || admitted >= AHEAD) throw new Error(`the page did not wait: ${admitted} of ${line} were let in`);
      if (CATEGORIES.every((name) => lhr.categories[name].score === 1)) full++;
    }
    return full > RUNS / 2;
  } finally {
    chrome.kill();
    await room.stop();
  }
}

const remove = build();
try {
  process.exitCode = (await measure()) ? 0 : 1;
} finally {
  remove();
}
