// The emulator as a process of its own, for one test file.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

// startEmulator builds and starts the emulator. stop ends it.
export async function startEmulator(...args) {
  const dir = mkdtempSync(join(tmpdir(), "stigg-"));
  const binary = join(dir, "stigg");
  execFileSync("go", ["build", "-o", binary, "./cmd/stigg"], { cwd: root, stdio: "inherit" });
  const child = spawn(binary, ["emulate", "-addr", "127.0.0.1:0", "-json", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => { child.once("exit", resolve); });
  const told = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("exit", () => reject(new Error("the emulator ended")));
    child.once("error", reject);
  });
  const { url } = JSON.parse(told);
  const key = "stigg-emulator-key";
  return {
    url, key, websocket: url.replace("http", "ws"),
    // requests are those that were answered, with their outcomes.
    async requests() {
      const { activities } = await (await fetch(url + "/_emulator/activity?after=0")).json();
      return activities.filter((a) => a.kind === "request");
    },
    // order does what the operator's window does.
    async order(what, body) {
      const answer = await fetch(url + "/_emulator/" + what, { method: "POST", body: JSON.stringify(body) });
      if (!answer.ok) throw new Error(`${what}: ${answer.status} ${await answer.text()}`);
    },
    async stop() {
      child.kill("SIGTERM");
      await ended;
      rmSync(dir, { recursive: true });
    },
  };
}
