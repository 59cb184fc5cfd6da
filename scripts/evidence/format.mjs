// How figures are written.

const grouped = (number, digits = 0) =>
  number.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

const FORMATS = {
  count: (value) => grouped(value),
  percent: (value) => `${grouped(100 * value)} %`,
  percent1: (value) => `${grouped(100 * value, 1)} %`,
  percent2: (value) => `${grouped(100 * value, 2)} %`,
  mib: (value) => `${grouped(value)} MiB`,
  gib: (value) => `${grouped(value / 1024, 1)} GiB`,
  bytes: (value) => (value < 1e6 ? `${grouped(value)} B` : `${grouped(value / 1e6, 1)} MB`),
  // Three figures that count, about.
  seconds: (value) => grouped(value, value < 0.1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0),
  // Two figures that count.
  rough: (value) => grouped(Number(value.toPrecision(2)), value < 9.95 ? 1 : 0),
  times: (value) => `${grouped(value, value < 10 ? 1 : 0)} x`,
};
for (const digits of [1, 2, 3]) FORMATS[`fixed${digits}`] = (value) => grouped(value, digits);

const TEXTS = {
  eth: (value) => `${Number(BigInt(value)) / 1e18} ETH`,
  text: (value) => String(value),
};

/** A figure as text; without a format numbers are grouped, and with a fraction given as they are. */
export function format(value, how) {
  if (value === null || value === undefined) throw new Error("a figure that the page needs was not measured");
  if (how === undefined) how = typeof value === "number" && !Number.isInteger(value) ? "text" : "count";
  if (Object.hasOwn(TEXTS, how)) return TEXTS[how](value);
  if (!Object.hasOwn(FORMATS, how)) throw new Error(`figures are not written as ${how}`);
  if (!Number.isFinite(value)) throw new Error(`${JSON.stringify(value)} is no number, and cannot be written as ${how}`);
  return FORMATS[how](value);
}
