// The dashboard as a picture, drawn from a Prometheus' answers: Grafana's layout, units and legends, as far as this dashboard uses them.
import { chromium } from "playwright-core";
import { chromiumPath } from "../harness/browser.mjs";

const COLUMN = 50;
const ROW = 24;
const GAP = 8;
const COLOURS = [
  "#73bf69",
  "#f2cc0c",
  "#5794f2",
  "#ff9830",
  "#f2495c",
  "#b877d9",
  "#37872d",
  "#fade2a",
  "#8ab8ff",
  "#ffb357",
];

/** Writes the picture. @param {{start: number, end: number}} range in seconds */
export async function draw({ dashboard, answers, range, file }) {
  const browser = await chromium.launch({ executablePath: chromiumPath(), args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage({ viewport: { width: 24 * COLUMN + GAP, height: 800 }, deviceScaleFactor: 1 });
    await page.setContent(html(dashboard, answers, range));
    await page.screenshot({ path: file, fullPage: true });
  } finally {
    await browser.close();
  }
}

function html(dashboard, answers, range) {
  const height = Math.max(...dashboard.panels.map(({ gridPos: { y, h } }) => y + h)) * ROW + GAP;
  const panels = dashboard.panels.map((panel) => box(panel, answers.get(panel.id) ?? [], range)).join("\n");
  return `<!doctype html><meta charset="utf-8"><style>
    body { margin: 0; background: #111217; color: #ccccdc; font: 12px/1.3 sans-serif; }
    main { position: relative; height: ${height}px; }
    section { position: absolute; box-sizing: border-box; background: #181b1f; border: 1px solid #2b2f36; border-radius: 2px; overflow: hidden; }
    section.row { background: none; border: none; font-weight: bold; padding: 1px 2px; font-size: 13px; line-height: 15px; }
    h2 { font-size: 12px; font-weight: 500; margin: 5px 8px 0; }
    .big { position: absolute; inset: 26px 0 0; display: flex; align-items: center; justify-content: center; font-size: 36px; }
    .legend { position: absolute; left: 8px; right: 8px; bottom: 3px; font-size: 10.5px; }
    .legend span { display: inline-block; margin-right: 9px; white-space: nowrap; }
    .legend i { display: inline-block; width: 11px; height: 3px; margin-right: 4px; vertical-align: middle; }
    svg { position: absolute; left: 0; top: 24px; }
    text { fill: #9fa7b3; font: 10px sans-serif; }
    .empty { position: absolute; inset: 26px 0 0; display: flex; align-items: center; justify-content: center; color: #7b8087; }
  </style><main>${panels}</main>`;
}

function box(panel, lists, range) {
  const { x, y, w, h } = panel.gridPos;
  const [width, height] = [w * COLUMN - GAP, h * ROW - GAP];
  const style = `left:${x * COLUMN + GAP}px;top:${y * ROW + GAP}px;width:${width}px;height:${height}px`;
  if (panel.type === "row") return `<section class="row" style="${style}">${escaped(panel.title)}</section>`;
  const series = lists.flatMap((list) => list.series).filter(({ values }) => values.length > 0);
  const inside = series.length === 0 ? `<div class="empty">No data</div>` : filled(panel, series, range, width, height);
  return `<section style="${style}"><h2>${escaped(panel.title)}</h2>${inside}</section>`;
}

function filled(panel, series, range, width, height) {
  const { unit, thresholds, decimals } = panel.fieldConfig.defaults;
  if (panel.type !== "stat") return chart(panel, series, range, width, height);
  const last = series[0].values.filter(([, value]) => Number.isFinite(value)).at(-1)?.[1];
  return `<div class="big" style="color:${colourOf(last, thresholds)}">${escaped(written(last, unit, decimals))}</div>`;
}

function colourOf(value, thresholds) {
  const step = thresholds?.steps?.findLast((one) => one.value === null || value >= one.value);
  return (
    { green: "#73bf69", yellow: "#f2cc0c", orange: "#ff9830", red: "#f2495c", blue: "#5794f2" }[step?.color] ??
    "#73bf69"
  );
}

function chart(panel, series, { start, end }, width, height) {
  const { unit, min, custom = {} } = panel.fieldConfig.defaults;
  const legend = series.map(({ name }, at) => `<span><i style="background:${colour(at)}"></i>${escaped(name)}</span>`);
  const [left, right, top, bottom] = [56, width - 10, 8, height - 24 - 20 - 14 * legendLines(series, width - 16)];
  const values = series.flatMap((one) => one.values.map(([, value]) => value)).filter(Number.isFinite);
  const stops = ticks(Math.min(min ?? Infinity, ...values), Math.max(...values));
  const [low, high] = [stops[0], stops.at(-1)];
  const toX = (at) => left + ((at - start) / (end - start)) * (right - left);
  const toY = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
  const grid = stops.map(
    (stop) =>
      `<line x1="${left}" x2="${right}" y1="${toY(stop)}" y2="${toY(stop)}" stroke="#2b2f36"/><text x="${left - 5}" y="${toY(stop) + 3}" text-anchor="end">${escaped(written(stop, unit))}</text>`,
  );
  const moments = [0, 1 / 3, 2 / 3, 1].map((part) => start + part * (end - start));
  const times = moments.map(
    (at) =>
      `<text x="${toX(at)}" y="${bottom + 13}" text-anchor="${at === end ? "end" : "middle"}">${clock(at)}</text>`,
  );
  const paths = series.map(({ values: points }, at) => path(points, toX, toY, bottom, colour(at), custom));
  return `<svg width="${width}" height="${height - 24}">${grid.join("")}${times.join("")}${paths.join("")}</svg><div class="legend">${legend.join("")}</div>`;
}

/** How many lines the browser will need for the names, in its 10.5 px. */
function legendLines(series, width) {
  let [lines, used] = [1, 0];
  for (const { name } of series) {
    const one = 27 + 5.1 * name.length;
    if (used > 0 && used + one > width) [lines, used] = [lines + 1, 0];
    used += one;
  }
  return lines;
}

/** A line with gaps where nothing was answered. */
function path(points, toX, toY, bottom, stroke, { lineWidth = 1, fillOpacity = 0 }) {
  const step = Math.min(...points.slice(1).map(([at], index) => at - points[index][0]), Infinity);
  const pieces = [[]];
  for (const [at, value] of points) {
    const last = pieces.at(-1).at(-1);
    if (last && at - last[0] > step * 1.5) pieces.push([]);
    if (Number.isFinite(value)) pieces.at(-1).push([at, value]);
    else if (pieces.at(-1).length > 0) pieces.push([]);
  }
  return pieces
    .filter((piece) => piece.length > 0)
    .map((piece) => {
      const along = piece.map(([at, value]) => `${toX(at).toFixed(1)},${toY(value).toFixed(1)}`).join(" L");
      const [from, to] = [toX(piece[0][0]).toFixed(1), toX(piece.at(-1)[0]).toFixed(1)];
      const area = `<path d="M${from},${bottom} L${along} L${to},${bottom} Z" fill="${stroke}" opacity="${fillOpacity / 100}"/>`;
      return `${area}<path d="M${along}" fill="none" stroke="${stroke}" stroke-width="${Math.max(1.3, lineWidth)}"/>`;
    })
    .join("");
}

const colour = (at) => COLOURS[at % COLOURS.length];
const clock = (s) => new Date(s * 1_000).toISOString().slice(11, 19);
const escaped = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** Round steps around the values, five or so. */
function ticks(low, high) {
  if (!(high > low)) high = low + (Math.abs(low) || 1);
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}

/** A value in a unit of Grafana's. */
function written(value, unit, decimals) {
  if (!Number.isFinite(value)) return "–";
  const plain = (number) => (decimals === undefined ? String(Number(number.toPrecision(3))) : number.toFixed(decimals));
  if (unit === "s") {
    if (value === 0) return "0 s";
    if (Math.abs(value) < 1e-3) return `${plain(value * 1e6)} µs`;
    if (Math.abs(value) < 1) return `${plain(value * 1e3)} ms`;
    return value < 60 ? `${plain(value)} s` : `${plain(value / 60)} min`;
  }
  if (unit === "bytes") {
    const power = value < 1 ? 0 : Math.min(4, Math.floor(Math.log2(value) / 10));
    return `${plain(value / 1024 ** power)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
  }
  if (unit === "percentunit") return `${plain(value * 100)}%`;
  const thousands = Math.abs(value) >= 1_000 ? `${plain(value / 1_000)} K` : plain(value);
  const suffix =
    { cps: " c/s", ops: " ops/s", reqps: " req/s", eps: " evt/s", mps: " msg/s", short: "", none: "" }[unit] ??
    ` ${unit ?? ""}`;
  return thousands + suffix;
}
