// The dashboard as Grafana reads it: its panels, and their queries with the variables put in.
import { readFileSync } from "node:fs";

const FILE = new URL("../../../deploy/helm/downbeat/files/dashboards/downbeat.json", import.meta.url);

/** What Grafana makes of `$__rate_interval`: four scrapes, where a point is not worth more. */
const RATE_SCRAPES = 4;

export class Dashboard {
  constructor({ scrapeS }) {
    const { title, panels, templating } = JSON.parse(readFileSync(FILE, "utf8"));
    this.title = title;
    this.panels = panels;
    const all = templating.list.filter(({ includeAll }) => includeAll).map(({ name, allValue }) => [name, allValue]);
    this.variables = [["__rate_interval", `${RATE_SCRAPES * scrapeS}s`], ...all];
  }

  /** A panel's targets: `{expr, legend}`, ready to be asked. */
  targets({ targets = [] }) {
    return targets.map(({ expr, legendFormat = "" }) => ({ legend: legendFormat, expr: this.#filled(expr) }));
  }

  #filled(expr) {
    return this.variables.reduce((text, [name, value]) => text.replaceAll(`$${name}`, value), expr);
  }

  /** Asks a Prometheus for all of it: by panel id, a list for each target, of series `{name, values}`. */
  async answers(prometheus, range) {
    const found = new Map();
    for (const panel of this.panels.filter(({ type }) => type !== "row")) {
      const lists = [];
      for (const { expr, legend } of this.targets(panel)) {
        const series = await prometheus.range(expr, range);
        lists.push({ expr, series: series.map(({ metric, values }) => ({ name: named(legend, metric), values })) });
      }
      found.set(panel.id, lists);
    }
    return found;
  }
}

function named(legend, metric) {
  if (legend) return legend.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? "");
  const labels = Object.entries(metric).map(([name, value]) => `${name}=${value}`);
  return labels.join(" ");
}
