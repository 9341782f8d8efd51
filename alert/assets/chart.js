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
          ctx.textAlign = "left";
          ctx.textBaseline = "alphabetic";
          ctx.font = `${12 * devicePixelRatio}px sans-serif`;
          ctx.fillStyle = colour("--ink-2");
          ctx.fillText(data.unit, bbox.left, bbox.top - 6 * devicePixelRatio);
          if (data.limit != null) {
            const y = plot.valToPos(data.limit, "y", true);
            ctx.strokeStyle = colour("--plot-limit");
            ctx.lineWidth = 1.5 * devicePixelRatio;
            ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
            ctx.beginPath();
            ctx.moveTo(bbox.left, y);
            ctx.lineTo(bbox.left + bbox.width, y);
            ctx.stroke();
            ctx.font = `600 ${12 * devicePixelRatio}px sans-serif`;
            ctx.fillStyle = colour("--plot-limit");
            ctx.fillText(data.words.limit_is, bbox.left + 4 * devicePixelRatio, y - 5 * devicePixelRatio);
          }
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

  // What the pointer is at, as one line of text beneath the chart.
  function readout(box, data, long) {
    const place = box.querySelector(".readout");
    place.hidden = false;
    const names = [null, "value", "flagged", "mean", "projection"];
    return (plot) => {
      const row = plot.cursor.idx;
      const words = row == null ? [] : [clock(data.at[row], long)];
      for (const [series, name] of names.entries()) {
        const value = row == null || name == null ? null : plot.data[series][row];
        if (value != null) words.push(`${data.words[name]} ${Number(value.toPrecision(4))} ${data.unit}`);
      }
      place.textContent = words.join(" · ");
    };
  }

  function options(box, data) {
    const long = data.to - data.from > 86400;
    const ink = colour("--ink-2");
    const axis = { stroke: ink, font: "12px sans-serif", grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const line = (name, width, more) => ({ stroke: colour(name), width, points: { show: false }, spanGaps: true, ...more });
    const top = (_, low, high) => [Math.min(0, low), Math.max(high, data.limit || 0) * 1.1 || 1];
    return {
      width: box.clientWidth,
      height: Math.max(220, Math.min(300, box.clientWidth * 0.36)),
      padding: [20, 20, 0, 0],
      tzDate: beijing,
      legend: { show: false },
      cursor: { drag: { x: true, y: false }, points: { size: 6 } },
      scales: { x: { min: data.from, max: data.to }, y: { range: top } },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map((tick) => clock(tick, long)), space: long ? 88 : 56, size: 28 },
        { ...axis, size: 44 },
      ],
      series: [
        {},
        line("--plot-minute", 1.5, { spanGaps: false, points: { show: false } }),
        line("--line-2", 0, { paths: () => null, points: { show: true, size: 4, fill: ink } }),
        line("--plot-mean", 2.5),
        line("--plot-projection", 2, { dash: [4, 4] }),
        { stroke: "transparent", spanGaps: true, points: { show: false } },
        { stroke: "transparent", spanGaps: true, points: { show: false } },
      ],
      bands: [{ series: [6, 5], fill: colour("--plot-band") }],
      hooks: { setCursor: [readout(box, data, long)] },
      plugins: [marks(data)],
    };
  }

  // A gap between minutes has a row of its own without a value, so the line breaks there.
  function columns(data) {
    return [data.at, data.value, data.flagged, data.mean, data.projection, data.low, data.high];
  }

  async function draw(box) {
    const answer = await fetch(box.dataset.series);
    if (!answer.ok) return;
    const data = await answer.json();
    if (data.at.length < 2) return;
    const place = document.createElement("div");
    const plot = new uPlot(options(box, data), columns(data), place);
    box.querySelector(".still").replaceWith(place);
    // A new minute brings a new point; what the reader has zoomed into stays where it is.
    let busy = false;
    document.addEventListener("plume-clock", async (event) => {
      if (busy || event.detail - data.now < 60 || data.now > data.to) return;
      busy = true;
      const newer = await fetch(box.dataset.series);
      if (newer.ok) {
        Object.assign(data, await newer.json());
        plot.setData(columns(data), false);
        plot.redraw();
      }
      setTimeout(() => { busy = false; }, 2000);
    });
    new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: plot.height })).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => location.reload());
  }

  for (const box of document.querySelectorAll("[data-series]")) draw(box);
})();
