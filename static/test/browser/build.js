// Builds the room once for all tests.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = new URL("../../../", import.meta.url).pathname;

export default function build() {
  const folder = mkdtempSync(join(tmpdir(), "room-"));
  process.env.ROOM_PROGRAM = join(folder, "room");
  execFileSync("go", ["build", "-trimpath", "-o", process.env.ROOM_PROGRAM, "./local"],
    { cwd: root, env: { ...process.env, CGO_ENABLED: "0" }, stdio: "inherit" });
  return () => rmSync(folder, { recursive: true });
}
