// Tables in Markdown, and where their rows come from.

/** A table in Markdown; numbers are aligned by the reader's program. */
export function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** The table, and below it how its rows were measured. */
export function sourced(rows, head, cells) {
  return `${table(head, cells)}\n\n${sources(rows)}`;
}

/** Every way in which the rows were measured, once: command, machine, day, state of the code. */
export function sources(rows) {
  const once = (texts) => [...new Set(texts)].join("; ");
  const measured = once(rows.filter((row) => !row.source).map((row) =>
    `\`${row.command.replaceAll(row.name, "NAME")}\`, machine ${row.machine}, ${row.date}, code ${row.code}`));
  const repeated = once(rows.filter((row) => row.source).map((row) => row.source));
  return [measured && `Measured by: ${measured}.`, repeated && `Not measured by a command here: ${repeated}.`].filter(Boolean).join(" ");
}
