// Puts the zoomable chart in the place of the still picture. The numbers come from /api/series.
"use strict";

(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Beijing time, whatever the reader's computer thinks.
  const beijing = (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Asia/Shanghai");
  const two = (number) => String(number).padStart(2, "0");

  function clock(seconds, long) {
    const at = beijing(seconds);
    const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
    return long ? `${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}` : time;
  }

  const shown = (unit) => (_, value) => (value == null ? "–" : `${Number(value.toPrecision(4))} ${unit}`);

  // Flags as a ribbon at the foot, the limit and events as lines: drawn beneath and above the series.
  function marks(data) {
    return {
      hooks: {
        drawClear: [(plot) => {
          const { ctx, bbox } = plot;
          ctx.save();
          ctx.fillStyle = colour("--line-2");
          for (const [from, to] of data.flags) {
            const x = plot.valToPos(from, "x", true);
            ctx.fillRect(x, bbox.top + bbox.height - 6 * devicePixelRatio, plot.valToPos(to, "x", true) - x, 6 * devicePixelRatio);
          }
          ctx.restore();
        }],
        draw: [(plot) => {
          const { ctx, bbox } = plot;
          const line = (x, style, dash) => {
            if (x < bbox.left || x > bbox.left + bbox.width) return;
            ctx.strokeStyle = style;
            ctx.lineWidth = devicePixelRatio;
            ctx.setLineDash(dash);
            ctx.beginPath();
            ctx.moveTo(x, bbox.top);
            ctx.lineTo(x, bbox.top + bbox.height);
            ctx.stroke();
          };
          ctx.save();
          line(plot.valToPos(data.now, "x", true), colour("--line-2"), [2, 4]);
          for (const [at] of data.ticks) {
            const x = plot.valToPos(at, "x", true);
            if (x < bbox.left || x > bbox.left + bbox.width) continue;
            ctx.fillStyle = colour("--ink-2");
            ctx.beginPath();
            ctx.arc(x, bbox.top + bbox.height - 14 * devicePixelRatio, 3.5 * devicePixelRatio, 0, 7);
            ctx.fill();
          }
          ctx.restore();
        }],
      },
    };
  }

  function options(box, data, words) {
    const long = data.to - data.from > 86400;
    const axis = { stroke: colour("--ink-2"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    const value = shown(data.unit);
    const top = (_, low, high) => [Math.min(0, low), Math.max(high, data.limit || 0) * 1.1 || 1];
    return {
      width: box.clientWidth,
      height: Math.max(220, Math.min(320, box.clientWidth * 0.36)),
      tzDate: beijing,
      cursor: { drag: { x: true, y: false } },
      scales: { x: { min: data.from, max: data.to }, y: { range: top } },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map((tick) => clock(tick, long)), space: long ? 88 : 56 },
        { ...axis, size: 48 },
      ],
      series: [
        { label: words.time, value: (_, at) => (at == null ? "–" : clock(at, long)) },
        { label: words.value, stroke: colour("--plot-minute"), width: 1.5, spanGaps: false, value },
        { label: words.flagged, stroke: colour("--line-2"), width: 1, points: { size: 4 }, value },
        { label: words.mean, stroke: colour("--plot-mean"), width: 2.5, spanGaps: true, points: { show: false }, value },
        { label: words.projection, stroke: colour("--plot-projection"), width: 2, dash: [4, 4], spanGaps: true, points: { show: false }, value },
        { label: words.low, stroke: "transparent", spanGaps: true, points: { show: false }, value },
        { label: words.high, stroke: "transparent", spanGaps: true, points: { show: false }, value },
        { label: words.limit, stroke: colour("--plot-limit"), width: 1.5, dash: [6, 4], spanGaps: true, points: { show: false }, value },
      ],
      bands: [{ series: [6, 5], fill: colour("--plot-band") }],
      plugins: [marks(data)],
    };
  }

  // A minute without a row is a gap, not a line across it; the mean and the limit may run through.
  function columns(data) {
    const limit = data.at.map(() => data.limit);
    return [data.at, data.value, data.flagged, data.mean, data.projection, data.low, data.high, limit];
  }

  async function draw(box) {
    const answer = await fetch(box.dataset.series);
    if (!answer.ok) return;
    const data = await answer.json();
    if (data.at.length < 2) return;
    const place = document.createElement("div");
    const plot = new uPlot(options(box, data, data.words), columns(data), place);
    box.querySelector(".still").replaceWith(place);
    new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: plot.height })).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => location.reload());
  }

  for (const box of document.querySelectorAll("[data-series]")) draw(box);
})();
