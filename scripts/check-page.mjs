// Looks at a relayer's page in a browser while a real job is sold on a local chain: the page shows the job, renews
// itself until the job is paid, keeps within a narrow window, and the browser complains of nothing.
//
//   npm install --no-save playwright-core && node scripts/check-page.mjs [--screenshots FOLDER] [--chromium FILE]
//   node scripts/check-page.mjs --serve   only serves the page, with one paid job, until it is interrupted
//
// Needs the release build, the keys that the tests make, and Chromium (/usr/bin/chromium unless --chromium says
// otherwise). Not a part of scripts/test.sh, which needs no browser; relayer/http/src/tests.rs reads the page there.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

// Moves to the repository's root.
import { ASSAY, assay } from "./lib/assay.mjs";
import { guard } from "./lib/guard.mjs";
import { Stage } from "./lib/stage.mjs";

const { values } = parseArgs({
  options: {
    screenshots: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    serve: { type: "boolean" },
  },
});
const PAGE = "http://127.0.0.1:9464/";
const TOKEN = "a-token-for-this-check";
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const stage = await Stage.open(["deployer", "buyer", "seller"]);
const { buyer, seller } = stage.actors;
const model = stage.register(seller, "prediction");
const inputs = stage.file("inputs");
fs.writeFileSync(stage.file("token"), TOKEN);

const relayer = spawn(ASSAY, [
  "relayer", "run", "--bundle", model.bundle, "--setup", stage.found.setup, "--keys", model.keys, "--inputs", inputs,
  "--store", stage.file("jobs.db"), "--minimum-price", "0.01ether", "--poll", "300", "--status-address", new URL(PAGE).host,
  "--api-token-file", stage.file("token"), "--private-key-file", seller.keyFile,
], { env: { ...process.env, ...stage.environment }, stdio: ["ignore", "ignore", fs.openSync(stage.file("relayer.log"), "a")] });
const guardian = guard({ process: relayer.pid });

/** Opens a job for an image whose opening the seller has, or has not. */
function open(image, price, handedOver = true) {
  const folder = handedOver ? inputs : stage.file("kept");
  const { commitment } = assay(["input", "commit", "--architecture", model.architecture, "--input", image, "-o", folder]);
  return buyer.send("escrow", "open", "--model", model.id, ...model.checked, "--commitment", commitment, "--price", price).job;
}

async function until(what, holds) {
  for (let tries = 0; tries < 600; tries += 1) {
    if (await holds()) return;
    await pause(200);
  }
  throw new Error(`in two minutes not: ${what}\n${fs.readFileSync(stage.file("relayer.log"), "utf8").slice(-3000)}`);
}

const reached = () => fetch(PAGE).then(({ ok }) => ok, () => false);
const state = async (job) => (await (await fetch(`${PAGE}api/jobs/${job}`)).json()).state;

try {
  await until("the page is served", reached);
  if (values.serve) {
    const job = open(stage.found.images[0], "0.05ether");
    await until(`job ${job} is paid`, async () => (await state(job)) === "confirmed");
    open(stage.found.images[1], "0.001ether");
    console.log(`${PAGE}, the API's document at ${PAGE}api/openapi.json, token ${TOKEN}`);
    await new Promise((resolve) => process.once("SIGINT", resolve).once("SIGTERM", resolve));
  } else {
    await look();
  }
} finally {
  relayer.kill("SIGTERM");
  guardian.kill();
  stage.close();
}

async function look() {
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({
    executablePath: values.chromium,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    const complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(PAGE);
    assert.match(await page.textContent("main"), /None yet/);

    const waiting = open(stage.found.images[1], "0.02ether", false);
    const job = open(stage.found.images[0], "0.05ether");
    // The page renews itself: nobody loads it again.
    await page.waitForSelector(`a[href="/jobs/${job}"]`, { timeout: 30_000 });
    const row = page.locator("tr", { has: page.locator(`a[href="/jobs/${job}"]`) });
    await row.locator(".badge.good").waitFor({ timeout: 120_000 });
    assert.match(await row.textContent(), /0\.05 ether.*confirmed/s);
    await picture(page, "relayer");

    // By the keyboard alone: to the job, and its states in their order.
    await row.locator("a").focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(`${PAGE}jobs/${job}`);
    const states = await page.locator(".timeline .badge").allTextContents();
    assert.deepEqual(states, ["seen", "proving", "proven", "submitting", "submitted", "confirmed"]);
    await picture(page, "job");
    assert.match(await (await page.goto(`${PAGE}jobs/${waiting}`)).text(), /data-unix/);

    for (const scheme of ["light", "dark"]) {
      const narrow = await browser.newPage({ viewport: { width: 390, height: 844 }, colorScheme: scheme });
      for (const place of ["", `jobs/${job}`]) {
        await narrow.goto(PAGE + place);
        const wider = await narrow.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.ok(wider <= 0, `/${place} is ${wider} pixels wider than a window of 390`);
      }
      await narrow.goto(PAGE);
      await picture(narrow, `relayer-390-${scheme}`);
    }
    assert.deepEqual(complaints, []);
    console.log(`the page showed job ${job} until it was paid; no complaint of the browser`);
  } finally {
    await browser.close();
  }
}

async function picture(page, name) {
  if (values.screenshots === undefined) return;
  fs.mkdirSync(values.screenshots, { recursive: true });
  await page.screenshot({ path: path.join(values.screenshots, `${name}.png`), fullPage: true });
}
