// How long a check takes: the median of many, as one of a few milliseconds strays.

/** Checks, each in a process of its own, which measures the second of two: the first also fills caches. */
const RUNS = 21;

/** Runs `assay verify` with these arguments so often; milliseconds of the median, and the least and most of them. */
export function medianCheck(assay, args) {
  const times = Array.from({ length: RUNS }, () => assay(["verify", ...args]).verify_ms).sort((a, b) => a - b);
  return { verify_ms: times[(RUNS - 1) / 2], verify_runs: RUNS, verify_range_ms: [times[0], times.at(-1)] };
}
