// The file of measurements: machines, and rows of figures with where each comes from.

import fs from "node:fs";

/** What a row says of itself: either how it was measured, or whose figures it repeats. */
const MEASURED = ["machine", "date", "code", "command"];

export class Measurements {
  /** Reads and checks the file. */
  static read(file) {
    const content = JSON.parse(fs.readFileSync(file, "utf8"));
    return new Measurements(content.machines, content.rows);
  }

  constructor(machines, rows) {
    this.machines = machines;
    this.rows = rows;
    const seen = new Set();
    for (const row of rows) {
      this.#check(row);
      const id = `${row.about} ${row.name}`;
      if (seen.has(id)) throw new Error(`two measurements are called ${id}`);
      seen.add(id);
    }
  }

  #check(row) {
    const id = `${row.about} ${row.name}`;
    const missing = ["about", "name", "figures"].filter((field) => !row[field]);
    if (missing.length > 0) throw new Error(`a measurement (${id}) has no ${missing.join(", no ")}`);
    if (row.source) return;
    const unsaid = MEASURED.filter((field) => !row[field]);
    if (unsaid.length > 0) throw new Error(`the measurement ${id} says no ${unsaid.join(", no ")}, and no source`);
    if (!this.machines[row.machine]) throw new Error(`${id} was measured on ${row.machine}, which is not described`);
  }

  find(about, name) {
    return this.rows.find((row) => row.about === about && row.name === name);
  }

  /** The row; one that is not there is an error. */
  row(about, name) {
    const row = this.find(about, name);
    if (!row) throw new Error(`there is no measurement ${about} ${name}`);
    return row;
  }

  /** All rows about something, in the order of the file. */
  about(about) {
    const rows = this.rows.filter((row) => row.about === about);
    if (rows.length === 0) throw new Error(`there is no measurement about ${about}`);
    return rows;
  }

  /** Adds a row, or replaces the one of that name. */
  put(row) {
    this.#check(row);
    const at = this.rows.findIndex((other) => other.about === row.about && other.name === row.name);
    if (at >= 0) this.rows[at] = row;
    else this.rows.push(row);
  }

  /** Writes one row a line, so that a change shows as a line. */
  write(file) {
    const rows = this.rows.map((row) => `    ${JSON.stringify(row)}`).join(",\n");
    const machines = JSON.stringify(this.machines, null, 2).replaceAll("\n", "\n  ");
    fs.writeFileSync(file, `{\n  "machines": ${machines},\n  "rows": [\n${rows}\n  ]\n}\n`);
  }
}

/** A figure by its path, `accuracy.inputs` or `steps_s.1`; one that is not there is an error. */
export function figure(row, path) {
  let value = row.figures;
  for (const key of path.split(".")) value = value?.[key];
  if (value === undefined) throw new Error(`${row.about} ${row.name} has no figure ${path}`);
  return value;
}
