// The tie's trend with its limit. Colours come from the style sheet, so day and night both fit.

import { words } from "./format.mjs";

const HEIGHT = 190;

export function makeTrend(box) {
  let plot = null;
  let zone = "UTC";
  let data = [[], [], []];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const build = () => {
    plot?.destroy();
    const hour = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--rule"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    plot = new uPlot(
      {
        width: box.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(0, low), Math.max(1, high * 1.08)] } },
        axes: [{ ...axis, values: (_, ticks) => ticks.map((t) => hour.format(new Date(t * 1000))) }, { ...axis, size: 44 }],
        series: [
          {},
          { label: words.import_mw, stroke: colour("--ink"), fill: colour("--fill"), width: 1.5, points: { show: false } },
          { label: words.tie_limit, stroke: colour("--ink"), dash: [6, 4], width: 1.5, points: { show: false } },
        ],
      },
      data,
      box,
    );
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", build);
  new ResizeObserver(() => plot?.setSize({ width: box.clientWidth, height: HEIGHT })).observe(box);
  return (points, plantZone) => {
    data = [0, 1, 2].map((column) => points.map((point) => point[column]));
    if (!plot || zone !== plantZone) {
      zone = plantZone;
      build();
    } else plot.setData(data);
  };
}
