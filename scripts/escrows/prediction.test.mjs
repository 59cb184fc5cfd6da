// A prediction, proven by hand for a job.

import assert from "node:assert/strict";
import { describe } from "node:test";

import { assay, etherText } from "../lib/assay.mjs";
import { importNetwork } from "../lib/models.mjs";
import { openStage, play, prepare, refused, takeOut } from "./play.mjs";

const stage = await openStage("deployer", "buyer", "seller");
const { buyer, seller } = stage.actors;
const { found } = stage;
const model = stage.register(seller, "prediction");

describe("an order of a prediction", () => {
  let job, opening;
  const scene = prepare(stage, () => {
    const committed = assay([
      "input", "commit", "--architecture", model.architecture, "--input", found.images[1], "-o", stage.file("inputs"),
    ]);
    opening = committed.opening;
    ({ job } = buyer.send(
      "escrow", "open", "--model", model.id, ...model.checked, "--commitment", committed.commitment, "--price", "7wei",
    ));
  });
  const prove = ({ bundle, keys }, proof) => assay([
    "prove", bundle, "--setup", found.setup, "--keys", keys, "--opening", opening,
    "--job", job, "--recipient", seller.address, "-o", proof,
  ], stage.environment);

  play(scene, "is paid for a proof made by hand, once", async () => {
    const proof = stage.file("job.proof");
    assert.equal(prove(model, proof).class, found.labels[1]);
    seller.send("escrow", "claim", job, "--proof", proof);
    refused("the escrow refuses this claim", () => seller.send("escrow", "claim", job, "--proof", proof));
    await takeOut(stage, "PredictionEscrow", "prediction", [[seller, 7n]]);
  });

  play(scene, "is not proven with the same network under another seed, which loses no opening", () => {
    const bundle = stage.file("again.bundle");
    importNetwork("good", bundle);
    const used = () => assay(["model", "inspect", bundle]).openings_used;
    refused("the bundle holds model", () => prove({ ...model, bundle }, stage.file("job.proof")));
    assert.equal(used(), 0);
  });
});

describe("an order that can be cancelled", () => {
  const open = (...notice) => buyer.send(
    "escrow", "open", "--model", model.id, ...model.checked, "--commitment", `0x${"07".repeat(32)}`,
    "--price", "7wei", "--deadline", "7200", ...notice,
  );

  play(stage, "is over after its notice, and the buyer has the price back", async () => {
    const { job, deadline } = open("--notice", "600");
    refused("NotCancellable", () => buyer.send("escrow", "cancel", open().job));
    refused("WrongCaller", () => seller.send("escrow", "cancel", job));
    const cancelled = buyer.send("escrow", "cancel", job);
    assert.ok(cancelled.deadline < deadline - 6000);
    refused("DeadlineNotLater", () => buyer.send("escrow", "cancel", job));
    refused("DeadlineNotPassed", () => buyer.send("escrow", "refund", job));
    await stage.pass(601);
    buyer.send("escrow", "refund", job);
    assert.equal(etherText(buyer.withdraw("prediction")), etherText(7n));
  });
});
