// The program `assay` for scripts: its reports as objects, its errors as exceptions. Whoever imports this
// works in the repository's root.

import { execFileSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

// A compiler that the caller names is seen from the caller's folder, everything else from the repository.
const named = process.env.ASSAY_SOLC ?? fileURLToPath(new URL("../solc", import.meta.url));
/** The Solidity compiler. */
export const SOLC = named.includes("/") ? path.resolve(named) : named;
process.chdir(fileURLToPath(new URL("../..", import.meta.url)));

// What the program keeps for its user, it keeps here for the scripts.
process.env.ASSAY_CACHE_DIR ??= path.resolve(".cache/assay");

export const ASSAY = "target/release/assay";
export const DIGITS = "examples/digits";

/** Runs `assay` and returns its JSON report; what it says on stderr is the error. */
export function assay(args, environment = {}) {
  try {
    const text = execFileSync(ASSAY, [...args, "--json", "--progress", "never"], {
      env: { ...process.env, ...environment },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 1 << 28,
    });
    return JSON.parse(text);
  } catch (error) {
    if (error.stderr === undefined) throw error;
    throw new Error(`assay ${args.join(" ")}\n${error.stderr.trim()}`);
  }
}

/** An amount of wei, or of a token's smallest unit, as an argument. */
export const wei = (amount) => `${amount}wei`;
export const units = (amount) => `${amount}units`;

export const ether = (text) => {
  const [whole, fraction = ""] = text.split(".");
  return BigInt(whole) * 10n ** 18n + BigInt(fraction.padEnd(18, "0"));
};

export const etherText = (wei) => {
  const sign = wei < 0n ? "-" : "";
  const value = wei < 0n ? -wei : wei;
  const fraction = String(value % 10n ** 18n).padStart(18, "0").replace(/0+$/, "");
  return `${sign}${value / 10n ** 18n}${fraction && `.${fraction}`} ETH`;
};
