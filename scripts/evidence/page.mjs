// The page: a text with directives, each in two braces.
//
//   {{ABOUT NAME FIGURE}}          a figure of a measurement; FIGURE may be a path, `steps_s.1`
//   {{ABOUT NAME FIGURE FORMAT}}   written as count, fixed1, percent1, mib, gas and so on, see format.mjs
//   {{wall ABOUT NAME FORMAT}}     seconds on the clock from input to proof
//   {{table NAME}}                 a table of tables.mjs, with the commands behind its rows
//   {{benchmark NAME}}             the same of benchmarks.mjs
//   {{derived NAME}}               a sentence's number that derived.mjs works out
//   {{plot NAME}}                  a plot of plots.mjs
//   {{sources ABOUT NAME}}         how a measurement was made, for figures in a sentence
//   {{machines}}                   the machines that rows name, as a table

import { benchmarks } from "./benchmarks.mjs";
import { derived } from "./derived.mjs";
import { format } from "./format.mjs";
import { sources } from "./markdown.mjs";
import { figure, wall } from "./measurements.mjs";
import { plots } from "./plots.mjs";
import { tables } from "./tables.mjs";

/** Characters of a line. */
const WIDTH = 118;

/** Where the README's part begins and ends. */
const [BEGIN, END] = ["<!-- made by scripts/evidence.sh -->", "<!-- end of what is made -->"];

/** The text of the page and the plots by their files' names. */
export function page(measurements, template) {
  measurements.requireAll();
  const files = {};
  const text = filled(measurements, template, files);
  return { text: text.split("\n\n").map(wrapped).join("\n\n"), plots: files };
}

/** The page of benchmarks, without plots. */
export function benchmarksPage(measurements, template) {
  return filled(measurements, template, {}).split("\n\n").map(wrapped).join("\n\n");
}

/** The README with its part made anew. */
export function readme(measurements, template, text) {
  const [begin, end] = [BEGIN, END].map((mark) => text.indexOf(mark));
  if (begin < 0 || end < begin) throw new Error(`README.md has no part between ${BEGIN} and ${END}`);
  const made = filled(measurements, template, {}).trim().split("\n\n").map(wrapped).join("\n\n");
  return `${text.slice(0, begin)}${BEGIN}\n\n${made}\n\n${text.slice(end)}`;
}

function filled(measurements, template, files) {
  return template.replace(/\{\{([^}]*)\}\}/g, (_, words) => {
    const [kind, ...rest] = words.trim().split(/\s+/);
    if (kind === "table") return known(tables, rest[0], "table")(measurements);
    if (kind === "benchmark") return known(benchmarks, rest[0], "table of benchmarks")(measurements);
    if (kind === "derived") return known(derived, rest[0], "derived figure")(measurements);
    if (kind === "sources") return sources([measurements.row(rest[0], rest[1])]);
    if (kind === "machines") return machines(measurements);
    if (kind === "wall") return format(wall(measurements.row(rest[0], rest[1])), rest[2]);
    if (kind === "plot") {
      const { title, svg } = known(plots, rest[0], "plot")(measurements);
      files[`docs/plots/${rest[0]}.svg`] = svg;
      return `![${title}](plots/${rest[0]}.svg)`;
    }
    const [name, path, how] = rest;
    try {
      return format(figure(measurements.row(kind, name), path), how);
    } catch (error) {
      throw new Error(`{{${words}}}: ${error.message}`);
    }
  });
}

/** A paragraph in lines of an even length; tables, headings and code stay as they are. */
function wrapped(block) {
  if (/^\s*([|#!`-]|```)/.test(block) || block.includes("\n|")) return block;
  const end = block.endsWith("\n") ? "\n" : "";
  let line = "";
  const lines = [];
  // Code is not broken.
  for (const word of block.match(/`[^`]*`\S*|\S+/g) ?? []) {
    if (line && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line += `${line && " "}${word}`;
  }
  return [...lines, line].join("\n") + end;
}

function known(all, name, what) {
  if (!Object.hasOwn(all, name)) throw new Error(`the page asks for the ${what} ${name}, which nobody makes`);
  return all[name];
}

function machines({ machines, rows: measured }) {
  const used = new Set(measured.map(({ machine }) => machine));
  const rows = Object.entries(machines).filter(([name]) => used.has(name)).map(([name, what]) => `| ${name} | ${what} |`);
  return ["| machine | what it is |", "|---|---|", ...rows].join("\n");
}
