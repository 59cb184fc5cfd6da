// What the stories share: how they are told, and who plays them.
//
// A story prints scenes with numbers, demands that each attack is refused for the reason it gives, and ends with
// what stopped the attack and with what does not. `--short` plays fewer items and fewer draws. With `--json` the
// last line of stdout is one object with the story's figures, and the text goes to stderr.

import fs from "node:fs";
import path from "node:path";

// Moves to the repository's root.
import { DIGITS, assay, etherText } from "../../scripts/lib/assay.mjs";
import { guard } from "../../scripts/lib/guard.mjs";

export const SHORT = process.argv.includes("--short");
const JSON_WANTED = process.argv.includes("--json");
const NETWORKS = "examples/attacks/networks";

/** What the contracts' errors mean, in words. */
const MEANINGS = {
  ItemNotInRoot: "this answer is not the one that was signed",
  ModelHashMismatch: "a valid proof, but of other weights than the registered ones",
  ProofInvalid: "no valid proof of that",
  ProofLength: "a proof of another circuit is not as long",
  SameBlock: "entered and delivered in one block",
};

const colours = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code) => (text) => (colours ? `\x1b[${code}m${text}\x1b[0m` : text);
const [bold, dim, green, red] = [1, 2, 32, 31].map(paint);
const print = JSON_WANTED ? console.error : console.log;

export class Story {
  #figures = {};
  #started = Date.now();

  /** `name` is the script's, `title` says who tries what. */
  constructor(name, title) {
    this.name = name;
    print(`\n${bold(title)}`);
  }

  scene(text) {
    print(`\n${bold(text)}`);
  }

  line(text) {
    print(`  ${text}`);
  }

  /** Keeps a figure for `--json`, and returns it. */
  figure(name, value) {
    this.#figures[name] = value;
    return value;
  }

  /** Rows of cells under a head; the first column is text. */
  table(head, ...rows) {
    const cells = [head, ...rows].map((row) => row.map(String));
    const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
    cells.forEach((row, index) => {
      const text = row.map((cell, column) => (column ? cell.padStart(widths[column]) : cell.padEnd(widths[0])));
      print(`  ${(index ? (x) => x : dim)(text.join("   "))}`);
    });
  }

  /**
   * An attack: it must be refused, and `reason` must be what is said. `who` refuses: the contract, the program of who is
   * attacked, or the attacker's own, which only saves it gas.
   */
  refused(who, attempt, reason, work) {
    try {
      work();
    } catch (error) {
      const said = error.message.split("\n").slice(1).join(" ").replace(/\s+/g, " ").replace(/^error: /, "");
      if (!said.includes(reason)) throw new Error(`${attempt}: refused, but not because of "${reason}": ${error.message}`);
      this.#told(who, attempt, excerpt(said, reason));
      return;
    }
    throw new Error(`${attempt}: was not refused`);
  }

  /** A call that an attacker's own program has made up and sent to a contract, which must refuse it so. */
  async refusedCall(attempt, error, send) {
    const gas = await send();
    const name = error.replace(/\(.*/, "");
    this.#told("the contract", attempt, `${name} (${MEANINGS[name]}), after ${gas.toLocaleString("en-US")} gas`);
    return gas;
  }

  #told(who, attempt, said) {
    print(`  ${red("refused")} by ${who}: ${attempt}`);
    print(dim(`           ${said}`));
  }

  /** That something is as the story tells it. */
  demand(fact, what) {
    if (!fact) throw new Error(`${this.name}: not so: ${what}`);
  }

  /** What stopped it, and what does not and what to do then. */
  end({ stopped, left }) {
    print(`\n${green("What stopped it")}`);
    stopped.forEach((text) => print(`  ${text}`));
    print(`\n${bold("What does not, and what to do")}`);
    left.forEach((text) => print(`  ${text}`));
    const seconds = this.figure("seconds", Math.round((Date.now() - this.#started) / 100) / 10);
    print(dim(`\n  (${seconds.toFixed(1)} s)`));
    if (JSON_WANTED) console.log(JSON.stringify({ attack: this.name, short: SHORT, ...this.#figures }));
  }
}

/** The part of a long refusal around the reason. */
function excerpt(said, reason) {
  const at = said.indexOf(reason);
  const from = at > 60 ? said.lastIndexOf(" ", at - 40) + 1 : 0;
  const text = said.slice(from, at + reason.length + 90);
  return `${from ? "... " : ""}${text}${text.length + from < said.length ? " ..." : ""}`;
}

/** A folder for one story's files; it goes with the script, however that ends. */
export function folder() {
  fs.mkdirSync(".cache/attacks", { recursive: true });
  const made = fs.mkdtempSync(".cache/attacks/run-");
  const watch = guard({ folder: path.resolve(made) });
  process.env.ASSAY_STATE_DIR ??= path.resolve(made, "state");
  process.on("exit", () => {
    watch.kill();
    fs.rmSync(made, { recursive: true, force: true });
  });
  return (...parts) => path.join(made, ...parts);
}

/** The 30 digits of examples/digits: files, and the labels that the files' names tell. */
export function digits(count = 30) {
  const names = fs.readdirSync(`${DIGITS}/images`).sort().slice(0, count);
  return {
    images: names.map((name) => `${DIGITS}/images/${name}`),
    labels: names.map((name) => Number(name.match(/_(\d)\.png$/)[1])),
  };
}

/** Quantizes one of the networks of this example. */
export function importSmall(name, bundle, ...options) {
  return assay(["model", "import", `${NETWORKS}/${name}.onnx`, "--calibrate", `${NETWORKS}/calibration.npz`,
    ...options, "-o", bundle]);
}

/** Random numbers in [0, 1) that are the same in each run (xorshift32, Marsaglia 2003). */
export function seeded(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

/** `count` different numbers below `of`, each choice as likely as any other. */
export function draw(random, count, of) {
  const all = Array.from({ length: of }, (_, index) => index);
  for (let index = 0; index < count; index++) {
    const other = index + Math.floor(random() * (of - index));
    [all[index], all[other]] = [all[other], all[index]];
  }
  return all.slice(0, count).sort((a, b) => a - b);
}

/** What an actor takes out of an escrow; nothing is an answer too. */
export function takeOut(actor, holder) {
  try {
    return actor.withdraw(holder);
  } catch (error) {
    if (!error.message.includes("has a credit of 0 ETH")) throw error;
    return 0n;
  }
}

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
export const eth = (wei) => etherText(BigInt(wei));
