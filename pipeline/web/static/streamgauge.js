// What only the browser knows: its zone, its clock and its theme. Charts keep their points here, so that the server
// sends each point once.
"use strict";
(() => {
  const SPAN_MS = 300000;
  const skew = Number(document.currentScript.dataset.now) - Date.now(); // the server's clock is the one that counts
  const now = () => Date.now() + (Math.abs(skew) > 2000 ? skew : 0);
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const dated = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
  const sameDay = (a, b) => a.toDateString() === b.toDateString();
  const known = (ms) => Number.isFinite(ms) && Math.abs(ms) < 8.64e15;
  const time = (ms) => {
    if (!known(ms)) return "–";
    const date = new Date(ms);
    return sameDay(date, new Date(now())) ? clock.format(date) : `${dated.format(date)}, ${clock.format(date)}`;
  };
  const utc = (ms) => (known(ms) ? new Date(ms).toISOString().replace("T", " ").replace("Z", " UTC") : "");
  const ago = (ms) => {
    if (!known(ms)) return "–";
    const s = Math.max(0, Math.round((now() - ms) / 1000));
    if (s < 2) return "just now";
    if (s < 60) return `${s} s ago`;
    if (s < 3600) return `${Math.floor(s / 60)} m ago`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
    return `${Math.floor(s / 86400)} d ago`;
  };

  const agos = new Set();
  class Stamp extends HTMLElement {
    static observedAttributes = ["ms"];
    attributeChangedCallback() { this.show(); }
    connectedCallback() { this.show(); }
    value() { const text = this.getAttribute("ms"); return text === null || text === "" ? NaN : Number(text); }
  }
  class Time extends Stamp {
    show() { const ms = this.value(); this.textContent = time(ms); this.title = utc(ms); }
  }
  class Ago extends Stamp {
    connectedCallback() { agos.add(this); this.show(); }
    disconnectedCallback() { agos.delete(this); }
    show() {
      const text = ago(this.value());
      if (this.textContent !== text) { this.textContent = text; this.title = `${time(this.value())} · ${utc(this.value())}`; }
    }
  }
  customElements.define("sg-time", Time);
  customElements.define("sg-ago", Ago);
  setInterval(() => { if (!document.hidden) { agos.forEach((element) => element.show()); charts.forEach(draw); } }, 1000);

  const short = (v) => (v >= 1e6 ? `${+(v / 1e6).toPrecision(3)} M` : v >= 1e3 ? `${+(v / 1e3).toPrecision(3)} k` : `${+v.toPrecision(3)}`);
  const full = (v) => v.toLocaleString("en-US", { maximumFractionDigits: v < 10 ? 2 : 0 });
  const seconds = (s) => (s < 1 ? `${Math.round(s * 1000)} ms` : s < 120 ? `${+s.toPrecision(3)} s` : s < 7200 ? `${Math.round(s / 60)} m` : `${+(s / 3600).toPrecision(3)} h`);
  const UNITS = {
    rate: { axis: short, tip: (v) => `${full(v)}/s` },
    ms: { axis: (v) => seconds(v / 1000), tip: (v) => (v < 1000 ? `${+v.toPrecision(3)} ms` : seconds(v / 1000)) },
    s: { axis: seconds, tip: seconds },
  };
  const token = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();
  const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
  const charts = new Map();
  const repainted = new Map(); // drawings of other scripts, painted anew when the theme changes

  function look(state) {
    const muted = token("--muted"), line = token("--line"), unit = UNITS[state.unit];
    return {
      animation: false, color: ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6"].map(token),
      textStyle: { fontFamily: token("--font"), color: muted },
      grid: { left: 8, right: 16, top: 34, bottom: 4, containLabel: true },
      legend: { type: "scroll", left: 8, top: 4, itemWidth: 12, itemHeight: 3, icon: "roundRect", textStyle: { color: muted, fontSize: 12 },
        pageIconColor: muted, pageIconInactiveColor: line, pageTextStyle: { color: muted } },
      tooltip: { trigger: "axis", confine: true, transitionDuration: 0, backgroundColor: token("--surface"), borderColor: token("--line-strong"),
        textStyle: { color: token("--text"), fontSize: 12.5 }, axisPointer: { lineStyle: { color: token("--line-strong") } },
        formatter: (items) => {
          const rows = items.filter((item) => item.value[1] !== null);
          if (!rows.length) return "";
          const head = `<div>${time(rows[0].value[0])} <span style="color:${muted}">${utc(rows[0].value[0]).slice(11, 19)} UTC</span></div>`;
          return head + rows.map((item) => `<div style="display:flex;gap:14px;justify-content:space-between"><span>${item.marker}${escape(item.seriesName)}</span>` +
            `<b style="font-variant-numeric:tabular-nums">${unit.tip(item.value[1])}</b></div>`).join("");
        } },
      xAxis: { type: "time", axisLine: { lineStyle: { color: line } }, axisTick: { show: false }, splitNumber: 4,
        axisLabel: { color: muted, hideOverlap: true, formatter: (ms) => clock.format(ms).slice(0, 5) }, splitLine: { show: false } },
      yAxis: { type: state.log ? "log" : "value", min: state.log ? (range) => Math.max(0.1, Math.pow(10, Math.floor(Math.log10(Math.max(range.min, 0.1))))) : 0,
        splitNumber: 4, axisLabel: { color: muted, formatter: unit.axis }, splitLine: { lineStyle: { color: line } } },
    };
  }

  function draw(state) {
    if (state.chart.isDisposed()) return;
    const end = now(), start = end - SPAN_MS;
    // The pipeline's own topic comes last, so that a topic has one colour in every chart.
    const names = [...state.series.keys()].sort((a, b) => (a === "health") - (b === "health") || (a < b ? -1 : 1));
    state.chart.setOption({
      xAxis: { min: start, max: end },
      legend: { show: names.length > 1 || state.legend },
      series: names.map((name) => ({
        name, type: "line", showSymbol: false, lineStyle: { width: 1.8 }, areaStyle: names.length === 1 && !state.log ? { opacity: 0.1 } : undefined,
        data: broken([...state.series.get(name)].filter(([ms]) => ms >= start), state.log),
      })),
    }, { replaceMerge: ["series"] });
  }

  // A pause is a gap in the line, not a slope over it; a log axis has no zero, so 0 ms is drawn at 0.5 ms.
  function broken(points, log) {
    points.sort((a, b) => a[0] - b[0]);
    const result = [];
    for (const [ms, value] of points) {
      const last = result[result.length - 1];
      if (last && ms - last[0] > 4500) result.push([last[0] + 1, null]);
      result.push([ms, log && value !== null ? Math.max(value, 0.5) : value]);
    }
    return result;
  }

  // Before the page is mounted there is no element to be found, and asking for one is an error.
  function find(id) {
    try { return getElement(id); } catch { return null; }
  }

  function chart(id, spec, attempt = 0) {
    const element = find(id);
    if (!element || !element.chart) {
      if (attempt < 2400) setTimeout(() => chart(id, spec, attempt + 1), 25);
      return;
    }
    let state = charts.get(id);
    if (!state || state.chart !== element.chart) {
      state = { chart: element.chart, unit: spec.unit, log: spec.log, legend: spec.legend, series: new Map() };
      charts.set(id, state);
      state.chart.setOption(look(state));
    }
    const limit = now() - SPAN_MS;
    for (const [name, points] of Object.entries(spec.series)) {
      if (!state.series.has(name)) state.series.set(name, new Map());
      const known = state.series.get(name);
      for (const [ms, value] of points) known.set(ms, value);
      for (const ms of known.keys()) if (ms < limit) known.delete(ms);
      if (known.size === 0) state.series.delete(name);
    }
    if (!document.hidden) draw(state);
  }

  const repaint = () => { charts.forEach((state) => { state.chart.setOption(look(state)); draw(state); }); repainted.forEach((paint) => paint()); };
  document.addEventListener("DOMContentLoaded", () => new MutationObserver(repaint).observe(document.body, { attributeFilter: ["class"] }));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) charts.forEach(draw); });
  window.addEventListener("popstate", () => location.reload());

  // Cells of the grid: text stays text, whatever a key holds.
  function link(href, text) {
    const anchor = document.createElement("a");
    anchor.href = href;
    anchor.textContent = text;
    return anchor;
  }

  function more(button) {
    const open = button.closest(".sg-nav").classList.toggle("is-open");
    button.setAttribute("aria-expanded", String(open));
  }

  window.sg = {
    chart, find, time, utc, ago, link, more, look, token, escape, clock, repainted,
    theme: (name) => { document.cookie = `streamgauge-theme=${name}; path=/; max-age=31536000; samesite=lax`; },
  };
})();
