// Stigg's React widgets in Chromium against the emulator.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { startEmulator } from "./emulator.mjs";

const page = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>Widgets</title><div id="root"></div><script src="/widgets.js"></script></html>';
let emulator, script, server, shown;

before(async () => {
  emulator = await startEmulator();
  const made = await build({
    entryPoints: [fileURLToPath(new URL("widgets.jsx", import.meta.url))], bundle: true, write: false, platform: "browser", logLevel: "error",
    outdir: "out", loader: { ".svg": "dataurl", ".png": "dataurl", ".woff": "dataurl", ".woff2": "dataurl", ".ttf": "dataurl" },
    define: { "process.env.NODE_ENV": '"production"', global: "globalThis" },
  });
  script = made.outputFiles.find((f) => f.path.endsWith(".js")).text;
  server = createServer(async (request, response) => {
    if (request.method === "POST") {
      let body = "";
      for await (const part of request) body += part;
      shown(JSON.parse(body));
      response.end();
      return;
    }
    const isScript = request.url === "/widgets.js";
    response.setHeader("Content-Type", isScript ? "text/javascript; charset=utf-8" : "text/html; charset=utf-8");
    response.end(isScript ? script : page);
  });
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
});

after(async () => {
  server?.closeAllConnections();
  server?.close();
  await emulator?.stop();
});

// show opens a widget in a Chromium of its own, until all the texts are there.
async function show(widget, customer, ...texts) {
  const profile = mkdtempSync(join(tmpdir(), "chromium-"));
  const query = new URLSearchParams({ widget, customer, key: emulator.key, stigg: emulator.url });
  const url = `http://127.0.0.1:${server.address().port}/?${query}`;
  let last = {};
  const complete = new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${widget} never showed ${texts}: ${JSON.stringify(last)}`)), 90_000);
    shown = (now) => {
      last = now;
      if (texts.every((text) => now.text.includes(text))) {
        clearTimeout(late);
        resolve(now);
      }
    };
  });
  const chromium = spawn("chromium", ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--disable-dev-shm-usage", "--remote-debugging-port=0", `--user-data-dir=${profile}`, url], { stdio: "ignore", detached: true }); // a process group of its own
  const ended = new Promise((resolve) => { chromium.once("exit", resolve); });
  try {
    return await complete;
  } finally {
    process.kill(-chromium.pid, "SIGKILL"); // the whole group, whose members all write to the profile
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

test("the paywall shows the plans side by side", async () => {
  const { errors } = await show("Paywall", "customer-basic", "Basic", "Essentials", "Professional", "$5");
  assert.deepEqual(errors, []);
});

test("the customer portal shows what is subscribed and used", async () => {
  const { errors } = await show("CustomerPortal", "customer-demo-01", "Essentials", "Templates", "Campaigns");
  assert.deepEqual(errors, []);
});

test("the checkout shows the order and its price", async () => {
  const { errors } = await show("Checkout", "customer-basic", "Essentials", "$30");
  assert.deepEqual(errors, []);
});

test("nothing was answered with an error", async () => {
  assert.deepEqual((await emulator.requests()).filter((r) => r.code), []);
});
