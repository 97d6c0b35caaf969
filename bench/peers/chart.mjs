// Draws the ratios as bars, without a library: one group for each workload, one bar for each peer, a line at 1.00.
const colours = ["#1f6feb", "#8b949e", "#bf8700", "#cf222e", "#8250df", "#1a7f37"];
const bar = 12;
const left = 230;
const width = 420;

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("*", "");

/** @param rows as run.mjs makes them: the first cell is the bare program's own figure */
export function chartOf(peers, rows, names) {
  const shown = peers.slice(1);
  const groups = rows.map(({ title, cells }) => ({
    title,
    values: cells.slice(1).map((cell) => Number.parseFloat(cell)),
  }));
  const most = Math.max(1.5, ...groups.flatMap(({ values }) => values.filter((value) => !Number.isNaN(value))));
  const scale = (value) => (value / most) * width;
  const groupHeight = shown.length * bar + 14;
  const height = 60 + groups.length * groupHeight;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${left + width + 60} ${height}" font-family="sans-serif" font-size="11" role="img">`,
    "<title>Ratios to the bare program</title>",
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
  ];
  for (const [index, peer] of shown.entries()) {
    const x = 12 + index * 100;
    parts.push(`<rect x="${x}" y="14" width="10" height="10" fill="${colours[index % colours.length]}"/>`);
    parts.push(`<text x="${x + 15}" y="23">${escaped(names[peer])}</text>`);
  }
  for (const [index, { title, values }] of groups.entries()) {
    const top = 42 + index * groupHeight;
    parts.push(`<text x="${left - 10}" y="${top + groupHeight / 2 - 3}" text-anchor="end">${escaped(title)}</text>`);
    for (const [at, value] of values.entries()) {
      if (Number.isNaN(value)) continue;
      const y = top + at * bar;
      parts.push(
        `<rect x="${left}" y="${y}" width="${scale(value).toFixed(1)}" height="${bar - 2}" fill="${colours[at % colours.length]}"/>`,
        `<text x="${(left + scale(value) + 4).toFixed(1)}" y="${y + bar - 3}" font-size="9">${value.toFixed(2)}</text>`,
      );
    }
  }
  const one = (left + scale(1)).toFixed(1);
  parts.push(
    `<line x1="${one}" y1="36" x2="${one}" y2="${height - 14}" stroke="#24292f" stroke-dasharray="3 3"/>`,
    "</svg>",
  );
  return `${parts.join("\n")}\n`;
}
