// A table of a chaos run, for people.

/** One line for each kind of fault, with a head; times in ms. */
export function summary(table) {
  const kinds = [...new Set(table.map(({ fault }) => fault))].sort();
  const lines = [
    line("fault", "rounds", "on conductor", "controls p50", "max", "beats late max", "noise max", "acked"),
  ];
  for (const kind of [...kinds, "all"]) {
    const rows = table.filter(({ fault, seconds }) => (kind === "all" || fault === kind) && seconds !== undefined);
    const controls = rows.map((row) => row.controls_ms).sort((a, b) => a - b);
    const most = (field) => Math.max(0, ...rows.map((row) => row[field]));
    const aimed = rows.filter(({ target, conductor }) => target === conductor).length;
    const acked = rows.reduce((sum, row) => sum + row.acked, 0);
    const median = controls[Math.floor(controls.length / 2)] ?? "-";
    lines.push(
      line(kind, rows.length, aimed, median, controls.at(-1) ?? "-", most("late_ms"), most("noise_ms"), acked),
    );
  }
  return lines;
}

function line(kind, ...cells) {
  return kind.padEnd(16) + cells.map((cell) => String(cell).padStart(15)).join("");
}
