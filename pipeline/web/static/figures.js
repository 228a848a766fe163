// Sparklines, and charts that span whatever their points span.
"use strict";
(() => {
  const WIDTH = 100, HEIGHT = 26;
  const svg = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const number = (v) => (v === null || v === undefined ? "–" : Math.abs(v) >= 1000 || Number.isInteger(v)
    ? v.toLocaleString("en-US", { maximumFractionDigits: 1 }) : String(+v.toPrecision(4)));

  class Spark extends HTMLElement {
    static observedAttributes = ["values", "label"];
    attributeChangedCallback() { this.show(); }
    connectedCallback() { this.setAttribute("role", "img"); this.show(); }
    show() {
      const values = (this.getAttribute("values") || "").split(",").map((text) => (text === "" ? null : Number(text)));
      const known = values.filter((value) => value !== null);
      const label = this.getAttribute("label") || "";
      this.setAttribute("aria-label", known.length
        ? `${label}: ${number(Math.min(...known))} to ${number(Math.max(...known))}, newest ${number(known[known.length - 1])}` : `${label}: nothing yet`);
      const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
      if (known.length) (this.hasAttribute("bars") ? bars : curve)(drawing, values, Math.max(...known) || 1);
      this.replaceChildren(drawing);
    }
  }

  function bars(drawing, values, top) {
    const step = WIDTH / values.length;
    values.forEach((value, place) => {
      const height = value ? Math.max(2, (value / top) * (HEIGHT - 2)) : 1;
      drawing.append(svg("rect", { x: place * step, y: HEIGHT - height, width: step * 0.72, height, class: value ? "on" : "off" }));
    });
  }

  function curve(drawing, values, top) {
    const step = WIDTH / Math.max(1, values.length - 1);
    const runs = [[]];
    values.forEach((value, place) => {
      if (value === null) runs.push([]);
      else runs[runs.length - 1].push([place * step, HEIGHT - 1.5 - (value / top) * (HEIGHT - 4)]);
    });
    for (const run of runs) {
      if (!run.length) continue;
      const line = run.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("") + (run.length === 1 ? "h0.01" : "");
      if (run.length > 1) drawing.append(svg("path", { class: "area", d: `${line}L${run[run.length - 1][0].toFixed(1)} ${HEIGHT}L${run[0][0].toFixed(1)} ${HEIGHT}Z` }));
      drawing.append(svg("path", { class: "line", d: line }));
    }
  }
  customElements.define("sg-spark", Spark);

  const duration = (ms) => (ms < 1000 ? `${+ms.toPrecision(3)} ms` : ms < 60000 ? `${+(ms / 1000).toPrecision(3)} s` : `${Math.round(ms / 60000)} m`);
  const SHOWN = { ms: duration, bytes: (v) => (v < 1000 ? `${v} B` : v < 1e6 ? `${+(v / 1e3).toPrecision(3)} kB` : `${+(v / 1e6).toPrecision(3)} MB`) };
  const short = (v) => (Math.abs(v) >= 1e6 ? `${+(v / 1e6).toPrecision(3)} M` : Math.abs(v) >= 1e4 ? `${+(v / 1e3).toPrecision(3)} k` : number(v));

  // The measure as a line, alerts as dots, the threshold dashed: all in one glance.
  function options(course) {
    const { token, look } = sg, base = look({ unit: "rate", legend: false }), show = SHOWN[course.kind] || number;
    const limit = course.limit === null ? [] : [{ yAxis: course.limit, label: { formatter: `threshold ${show(course.limit)}` } }];
    const all = [...course.line, ...course.dots].map(([, value]) => value).filter((value) => value !== null);
    const top = Math.max(...all, course.limit ?? -Infinity), low = Math.min(...all, course.limit ?? Infinity, 0);
    const times = [...course.line, ...course.dots].map(([ms]) => ms);
    const from = Math.min(...times), to = Math.max(...times), room = Math.max((to - from) * 0.06, 5000);
    const mark = { silent: true, symbol: "none", animation: false, data: limit,
      lineStyle: { color: token("--critical"), type: "dashed", width: 1.6 },
      label: { position: "insideStartTop", color: token("--critical"), fontSize: 12, backgroundColor: token("--surface"), padding: [1, 4] } };
    return { ...base, legend: { show: false }, grid: { ...base.grid, top: 16, right: 22 },
      xAxis: { ...base.xAxis, min: from - room, max: to + room, axisLabel: { ...base.xAxis.axisLabel, formatter: (ms) => sg.clock.format(ms) }, splitNumber: 3 },
      yAxis: { type: "value", min: low, max: top === low ? low + 1 : top + (top - low) * 0.12, splitNumber: 4,
        axisLabel: { color: token("--muted"), formatter: (v) => (SHOWN[course.kind] || short)(v), showMaxLabel: false }, splitLine: { lineStyle: { color: token("--line") } } },
      tooltip: { ...base.tooltip, formatter: (items) => items.length ? `<div>${sg.time(items[0].value[0])} <span style="color:${token("--muted")}">${sg.utc(items[0].value[0]).slice(11, 19)} UTC</span></div>` +
        items.map((item) => `<div>${sg.escape(item.seriesName)} <b>${show(item.value[1])}</b></div>`).join("") : "" },
      series: [
        { name: course.name, type: "line", step: "end", showSymbol: course.line.length < 40, symbolSize: 4, data: course.line, lineStyle: { width: 1.8 }, color: token("--c1"), markLine: mark },
        { name: "alert", type: "scatter", symbolSize: 10, data: course.dots, color: token("--critical"), itemStyle: { borderColor: token("--surface"), borderWidth: 1.5 }, z: 5 },
      ] };
  }

  function figure(id, course, attempt = 0) {
    const element = sg.find(id);
    if (!element || !element.chart) {
      if (attempt < 2400) setTimeout(() => figure(id, course, attempt + 1), 25);
      return;
    }
    const paint = () => { if (!element.chart.isDisposed()) element.chart.setOption(options(course), { notMerge: true }); };
    sg.repainted.set(id, paint);
    paint();
  }
  sg.figure = figure;
})();
