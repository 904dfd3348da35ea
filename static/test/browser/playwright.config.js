// The page in a real browser, against the room of go run ./local:
//
//   make test-page                                        all of it
//   npx playwright test -c static/test/browser -g bell    what has "bell" in its name
//   SCREENSHOTS=compare make test-page                    holds pictures against screenshots/
//   SCREENSHOTS=compare npx playwright test -c static/test/browser gallery --update-snapshots=all
//   node static/test/browser/shrink.js                    renew the pictures
//
// Pictures are compared where SCREENSHOTS=compare says that Debian's Chromium and fonts-dejavu-core are
// there, as .ci/run does; fonts.conf keeps all other fonts out. Without it the gallery checks layout and
// accessibility, which depend on no font.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { defineConfig } from "@playwright/test";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
  "--disable-default-apps", "--disable-domain-reliability", "--disable-extensions", "--disable-quic",
  "--disable-lcd-text", "--disable-sync", "--no-pings", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required",
];

// findChromium gives the program's path, or undefined.
function findChromium() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const named = [process.env.CHROMIUM, "chromium", "chromium-browser", "google-chrome"].filter(Boolean);
  return named.flatMap((name) => (name.includes("/") ? [name] : folders.map((folder) => join(folder, name))))
    .find((path) => existsSync(path));
}

const executablePath = findChromium();
if (!executablePath) {
  const how = "No Chromium: the page is not tested in a browser. Install it (on Debian: apt-get install chromium) " +
    "or name its program in CHROMIUM.";
  if (process.env.BROWSER_TESTS === "required") throw new Error(how);
  console.log(how);
}

process.env.FONTCONFIG_FILE = new URL("fonts.conf", import.meta.url).pathname;

export default defineConfig({
  testIgnore: executablePath ? [] : "**",
  globalSetup: executablePath && "./build.js",
  outputDir: process.env.TEST_RESULTS || "../../../dist/test-page",
  fullyParallel: true,
  workers: 3, // on two processors: much of a test is waiting
  retries: 0,
  maxFailures: 10, // a page that does not start at all would be waited for in every test
  forbidOnly: process.env.BROWSER_TESTS === "required",
  reporter: process.env.BROWSER_TESTS === "required" ? "dot" : "list",
  timeout: 45000,
  expect: {
    timeout: 10000,
    // Chromium's versions draw the edges of letters a little differently.
    toHaveScreenshot: { scale: "css", animations: "disabled", threshold: 0.3, maxDiffPixels: 400 },
  },
  snapshotPathTemplate: "{testDir}/screenshots/{arg}{ext}",
  use: {
    browserName: "chromium",
    headless: true,
    launchOptions: { executablePath, args: FLAGS },
    viewport: { width: 390, height: 844 },
    locale: "en-GB",
    timezoneId: "Europe/Copenhagen",
    colorScheme: "light",
  },
});
