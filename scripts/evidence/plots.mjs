// Plots as SVG: points on two logarithmic axes.

import { perhaps, positive, wall } from "./measurements.mjs";
import { batches, cells, columns } from "./tables.mjs";

const [WIDTH, HEIGHT] = [720, 420];
const MARGIN = { left: 80, right: 150, top: 44, bottom: 52 };
const COLOURS = ["#2563eb", "#d97706", "#059669", "#9333ea"];

/** Points of the networks of one table, over a size of theirs. */
function points(measurements, about, size, value) {
  return measurements.about(about).flatMap((row) => {
    const [x, y] = [size(row, measurements), value(row)];
    return x === undefined || y === undefined ? [] : [{ label: row.name, x, y }];
  });
}
const figureOf = (path, scale = 1) => (row) => (perhaps(row, path) === undefined ? undefined : positive(row, path) * scale);
/** The networks of both tables, in two colours; transformers only where a plot can show some. */
const both = (m, size, value) => [["images and tables", "prediction"], ["transformers", "network"]]
  .map(([name, about]) => ({ name, points: points(m, about, size, value), labels: true })).filter((series) => series.points.length > 0);

/** Multiplications, where a row of another topic says them. */
const work = (row, measurements) => {
  const known = measurements.find("cost", row.name) ?? measurements.find("plan", row.name);
  return known && positive(known, "multiply_accumulates");
};

/** What an item costs, for each size of a proof. */
function items(measurements, path, scale = 1) {
  return batches(measurements).map((row) => {
    const count = positive(row, "items");
    return { label: "", x: count, y: (positive(row, path) * scale) / count };
  });
}

export const plots = {
  time: (m) => plot("Time to prove one prediction, by cells", "cells: columns times rows", "seconds, wall", both(m, cells, wall)),
  work: (m) => plot("Time to prove one prediction, by multiplications", "multiplications of the network", "seconds, wall", both(m, work, wall)),
  memory: (m) => plot("Memory of the proving process", "cells: columns times rows", "MiB at the peak", both(m, cells, figureOf("peak_rss_mb"))),
  gas: (m) => plot("Gas of a verification", "advice and fixed columns", "thousand gas", both(m, columns, figureOf("verify_gas", 1e-3))),
  batch_gas: (m) => plot("Gas of an audited item of LeNet, by the items of a proof", "items in one proof", "gas for each item", [
    { name: "gas", points: items(m, "total_verify_gas") },
  ]),
  batch_time: (m) => plot("Time to prove an audited item of LeNet, by the items of a proof", "items in one proof", "CPU seconds for each item", [
    { name: "CPU", points: items(m, "prove_cpu_s") },
  ]),
};

const escape = (text) => text.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);

function plot(title, across, up, series) {
  const all = series.flatMap(({ points }) => points);
  const [x, y] = [axis(all.map((point) => point.x)), axis(all.map((point) => point.y))];
  const [inner, tall] = [WIDTH - MARGIN.left - MARGIN.right, HEIGHT - MARGIN.top - MARGIN.bottom];
  const px = (value) => (MARGIN.left + inner * x.place(value)).toFixed(1);
  const py = (value) => (MARGIN.top + tall * (1 - y.place(value))).toFixed(1);
  const parts = [`<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${MARGIN.left}" y="24" font-size="14" font-weight="bold">${escape(title)}</text>`];
  for (const tick of x.ticks) {
    parts.push(`<path d="M${px(tick)} ${MARGIN.top}V${MARGIN.top + tall}" stroke="#e5e7eb"/>`,
      `<text x="${px(tick)}" y="${MARGIN.top + tall + 18}" text-anchor="middle">${short(tick)}</text>`);
  }
  for (const tick of y.ticks) {
    parts.push(`<path d="M${MARGIN.left} ${py(tick)}H${MARGIN.left + inner}" stroke="#e5e7eb"/>`,
      `<text x="${MARGIN.left - 8}" y="${Number(py(tick)) + 4}" text-anchor="end">${short(tick)}</text>`);
  }
  const taken = all.map((point) => ({ x: Number(px(point.x)) - 4, y: Number(py(point.y)) + 4, width: 8, height: 8 }));
  series.forEach(({ name, points, labels }, index) => {
    const colour = COLOURS[index];
    for (const { x: at, y: value, label } of points) {
      parts.push(`<circle cx="${px(at)}" cy="${py(value)}" r="4" fill="${colour}"/>`);
      const place = labels && free(taken, Number(px(at)), Number(py(value)), label);
      if (place) parts.push(`<text x="${place.x.toFixed(1)}" y="${place.y.toFixed(1)}" fill="${colour}">${escape(label)}</text>`);
    }
    parts.push(`<circle cx="${MARGIN.left + inner + 24}" cy="${MARGIN.top + 14 + 18 * index}" r="4" fill="${colour}"/>`,
      `<text x="${MARGIN.left + inner + 34}" y="${MARGIN.top + 18 + 18 * index}" fill="${colour}">${escape(name)}</text>`);
  });
  parts.push(`<text x="${MARGIN.left + inner / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escape(across)}</text>`,
    `<text transform="translate(16 ${MARGIN.top + tall / 2}) rotate(-90)" text-anchor="middle">${escape(up)}</text>`);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#374151">
<title>${escape(title)}</title>
${parts.join("\n")}
</svg>
`;
  return { title, svg };
}

/** A place beside a point where a label covers no other and no point, or nothing: some points lie on each other. */
function free(taken, x, y, label) {
  const width = 7.4 * label.length;
  const place = [[8, -4], [8, 12], [-8 - width, -4], [-8 - width, 12], [8, -18], [8, 26], [-width / 2, -12], [-width / 2, 20]]
    .map(([across, down]) => ({ x: x + across, y: y + down, width, height: 12 }))
    .find((one) => one.x > MARGIN.left && one.x + width < WIDTH && taken.every((other) =>
      one.y - one.height > other.y || other.y - other.height > one.y || one.x + one.width < other.x || other.x + other.width < one.x));
  if (place) taken.push(place);
  return place;
}

/** Powers of ten around the values, and 2 and 5 times them where the values lie close together. */
function axis(values) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const [low, high] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  const factors = most / least < 30 ? [1, 2, 5] : [1];
  const all = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index))
    .flatMap((power) => factors.map((factor) => Number((factor * power).toPrecision(3))));
  const from = all.filter((tick) => tick <= least).at(-1);
  const ticks = all.filter((tick) => tick >= from);
  const to = ticks.find((tick) => tick >= most && tick > from) ?? 10 * from;
  const [bottom, height] = [Math.log10(from), Math.log10(to / from)];
  return { ticks: ticks.filter((tick) => tick <= to), place: (value) => (Math.log10(value) - bottom) / height };
}

const short = (value) =>
  value >= 1e9 ? `${value / 1e9} G` : value >= 1e6 ? `${value / 1e6} M` : value >= 1e3 ? `${value / 1e3} k` : String(Number(value.toPrecision(3)));
