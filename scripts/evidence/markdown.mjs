// Tables in Markdown, and where their rows come from.

/** A table in Markdown; numbers are aligned by the reader's program. */
export function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** The table, and below it how its rows were measured. */
export function sourced(rows, head, cells) {
  return `${table(head, cells)}\n\n${sources(rows)}`;
}

/**
 * Every way in which the rows were measured: command, machine, day, state of the code; and where there are several, which rows
 * were measured so.
 */
export function sources(rows) {
  const ways = new Map();
  for (const row of new Set(rows.filter((row) => !row.source))) {
    const way = `\`${row.command.replaceAll(row.name, "NAME")}\`, machine ${row.machine}, ${row.date}, code ${row.code}`;
    ways.set(way, [...(ways.get(way) ?? []), row.name]);
  }
  const measured = [...ways].map(([way, names]) => (ways.size > 1 ? `${way} (${names.join(", ")})` : way)).join("; ");
  const repeated = [...new Set(rows.filter((row) => row.source).map((row) => row.source))].join("; ");
  return [measured && `Measured by: ${measured}.`, repeated && `Not measured by a command here: ${repeated}.`].filter(Boolean).join(" ");
}
