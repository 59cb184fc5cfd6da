// Tests that play on a stage. Each starts from the chain as its file, or the block around it, has prepared
// it, whichever tests ran or failed before, and has an empty folder for its files.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";

import { ether, etherText } from "../lib/assay.mjs";
import { Stage } from "../lib/stage.mjs";

/** A stage for a file of tests. */
export async function openStage(...names) {
  const stage = await Stage.open(names);
  after(() => stage.close());
  return stage;
}

/** A test on a stage or a scene of it; its traces on the chain are removed. */
export function play(scene, name, work) {
  test(name, async () => {
    const restore = await scene.mark();
    try {
      await work();
    } finally {
      await restore();
    }
  });
}

/**
 * A scene, which the tests of a block find on the chain. It is prepared for the first of them that runs:
 * hooks of a block run even if a pattern of names leaves out all its tests.
 */
export function prepare(stage, work) {
  let ready, restore;
  const begin = async () => {
    restore = await stage.mark();
    await work();
  };
  after(() => restore?.());
  return {
    async mark() {
      await (ready ??= begin());
      return stage.mark();
    },
  };
}

/** That a command is refused, and says why; returns what it says. */
export function refused(reason, work) {
  let told;
  assert.throws(work, ({ message }) => {
    told = message;
    return message.includes(reason) || assert.fail(`${reason}? ${message}`);
  });
  return told;
}

/** What each takes out of an escrow, to the account; nothing is left but what was burnt. */
export async function takeOut(stage, contract, holder, expected, burnt = 0n) {
  for (const [actor, amount] of expected) {
    const before = await actor.balance();
    assert.equal(etherText(actor.withdraw(holder)), etherText(amount), `${actor.name} has as credit`);
    const gained = (await actor.balance()) - before;
    assert.ok(gained <= amount && gained > amount - ether("0.01"), `${actor.name} was paid`);
  }
  assert.equal(await stage.held(contract), burnt, `${contract} holds what was burnt`);
}

/**
 * A copy of a folder of proofs in which the first is changed: with `count` it claims a count that is one
 * higher (of a retrieval: another selection), with `proof` a byte of the proof itself is another one. The
 * file's integrity hash is made again, so that only the proof can be found wrong.
 */
export function forge(stage, what, proofs) {
  const forged = stage.file(`forged-${what}`);
  const first = "run-00000.proof";
  fs.cpSync(proofs, forged, { recursive: true });
  execFileSync(process.execPath, [
    "examples/audit/forge.mjs", what, path.join(proofs, first), path.join(forged, first),
  ], { stdio: "pipe" });
  return forged;
}
