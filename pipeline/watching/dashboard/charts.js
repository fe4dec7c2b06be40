"use strict";
// The charts of the live page and of the report, from samples (samples.py).

const Charts = (() => {
  const LIMITS = ["paused", "window", "hold", "breaker", "concurrency", "contacts per hour", "rate", "source"];
  const LIMIT_WORDS = { source: "nothing: the source", concurrency: "requests in flight", hold: "Marketing Cloud's pause" };
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const number = (value) => {
    if (value == null) return "–";
    if (value < 10 && value % 1) return value.toFixed(1);
    return (value < 10_000 ? whole : compact).format(value);
  };
  const seconds = (value) => {
    if (value == null) return "–";
    if (value < 1) return `${Math.round(value * 1000)} ms`;
    return value < 100 ? `${+value.toFixed(1)} s` : `${compact.format(value)} s`;
  };
  // The clock on the reader's wall; the day too where there is more than one.
  const clock = (self, ticks, _axis, _space, step) => {
    const long = self.scales.x.max - self.scales.x.min > 86_400;
    const form = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (step < 60) form.second = "2-digit";
    const times = new Intl.DateTimeFormat("en", form), days = new Intl.DateTimeFormat("en", { month: "short", day: "numeric" });
    return ticks.map((tick) => (long ? `${days.format(tick * 1000)}\n${times.format(tick * 1000)}` : times.format(tick * 1000)));
  };
  const tint = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const limitTint = (word) => `limit-${word.replaceAll(" ", "-")}`;

  // A column of values, with nothing where the process was not there.
  // (null breaks a line; undefined, where nothing was measured, does not.)
  const columns = (samples, ...values) => {
    const out = [[], ...values.map(() => [])];
    let end = null;
    for (const sample of samples) {
      if (end !== null && sample.at - sample.seconds > end + 2 + sample.seconds / 2) {
        out[0].push(end + 0.001);
        values.forEach((_, index) => out[index + 1].push(null));
      }
      out[0].push(sample.at);
      values.forEach((value, index) => out[index + 1].push(value(sample)));
      end = sample.at;
    }
    return out;
  };
  const rate = (name) => (sample) => sample[name] / (sample.seconds || 1);
  const statuses = (matches) => (sample) =>
    Object.entries(sample.requests).reduce((sum, [status, count]) => sum + (matches(status) ? count : 0), 0) / (sample.seconds || 1);

  const KINDS = [
    { title: "Contacts a second", wide: true, show: number, series: [
      { key: "accepted", tint: "accepted", value: rate("accepted"), fill: true },
      { key: "rejected", tint: "rejected", value: rate("rejected") },
      { key: "unknown", tint: "unknown", value: rate("unknown") }] },
    { title: "Time a request takes", show: seconds, series: [
      { key: "median", tint: "p50", value: (sample) => sample.p50 ?? undefined },
      { key: "95 %", tint: "p95", value: (sample) => sample.p95 ?? undefined },
      { key: "99 %", tint: "p99", value: (sample) => sample.p99 ?? undefined }] },
    { title: "Requests a second, by answer", show: number, needs: (sample) => Object.keys(sample.requests).length, series: [
      { key: "2xx", tint: "2xx", value: statuses((status) => status[0] === "2"), fill: true },
      { key: "429", tint: "429", value: statuses((status) => status === "429") },
      { key: "4xx", tint: "4xx", value: statuses((status) => status[0] === "4" && status !== "429") },
      { key: "5xx", tint: "5xx", value: statuses((status) => status[0] === "5" || status[0] === "3") },
      { key: "none", tint: "none", value: statuses((status) => status === "none") }] },
    { title: "Requests in flight", show: number, needs: (sample) => sample.most != null, series: [
      { key: "under way", tint: "in-flight", value: (sample) => sample.in_flight, fill: true },
      { key: "let at once", tint: "most", value: (sample) => sample.most, dash: [5, 4] }] },
  ];

  const figure = (holder, { title, wide, strip }) => {
    const box = document.createElement("figure"), caption = document.createElement("figcaption"), plot = document.createElement("div");
    if (wide) box.className = "wide";
    plot.className = strip ? "plot strip" : "plot";
    caption.append(title);
    box.append(caption, plot);
    holder.append(box);
    return { caption, plot };
  };
  const keyOf = (caption, words, colour) => {
    const key = document.createElement("span"), mark = document.createElement("i"), text = document.createElement("span");
    key.className = "key";
    mark.style.setProperty("--tint", colour);
    text.textContent = words;
    key.append(mark, text);
    caption.append(key);
    return text;
  };
  const axes = (show) => {
    const plain = { stroke: tint("faint"), grid: { stroke: tint("grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    return [{ ...plain, space: 80, size: 34, values: clock }, { ...plain, size: 58, space: 40, values: (_, ticks) => ticks.map(show) }];
  };
  const sized = (plot) => ({ width: Math.max(200, plot.clientWidth), height: plot.clientHeight });

  const lineChart = (holder, kind, samples) => {
    const { caption, plot } = figure(holder, kind);
    const words = kind.series.map(({ key, tint: name }) => keyOf(caption, key, tint(name)));
    const data = columns(samples, ...kind.series.map(({ value }) => value));
    const tell = (index, of) => kind.series.forEach(({ key }, n) => { words[n].textContent = `${key} ${kind.show(of[n + 1][index])}`; });
    const chart = new uPlot({
      ...sized(plot), padding: [10, 16, 0, 0], legend: { show: false }, cursor: { sync: { key: "time" }, points: { size: 7 }, y: false, drag: { x: true, y: false } },
      scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1] } }, axes: axes(kind.show),
      series: [{}, ...kind.series.map((each) => ({
        stroke: tint(each.tint), width: 2, dash: each.dash, points: { show: false }, spanGaps: false,
        fill: each.fill ? `color-mix(in srgb, ${tint(each.tint)} 14%, transparent)` : undefined }))],
      hooks: { setCursor: [(self) => tell(self.cursor.idx ?? self.data[0].length - 1, self.data)] },
    }, data, plot);
    if (data[0].length) tell(data[0].length - 1, data);
    return {
      plot, chart,
      update: (newer) => {
        const fresh = columns(newer, ...kind.series.map(({ value }) => value));
        chart.setData(fresh);
        if (chart.cursor.idx == null) tell(fresh[0].length - 1, fresh);
      },
    };
  };

  const strip = (holder, samples) => {
    const { caption, plot } = figure(holder, { title: "What limits the run", wide: true, strip: true });
    const words = Object.fromEntries(LIMITS.map((word) => [word, keyOf(caption, LIMIT_WORDS[word] || word, tint(limitTint(word)))]));
    let shown = samples;
    const paint = (self) => {
      const { ctx, bbox } = self;
      ctx.save();
      for (const sample of shown) {
        let from = sample.at - sample.seconds;
        const whole = Object.values(sample.limits).reduce((sum, each) => sum + each, 0) || 1;
        for (const word of LIMITS) {
          if (!sample.limits[word]) continue;
          const to = from + (sample.seconds * sample.limits[word]) / whole;
          const left = Math.max(bbox.left, self.valToPos(from, "x", true)), right = Math.min(bbox.left + bbox.width, self.valToPos(to, "x", true));
          ctx.fillStyle = tint(limitTint(word));
          if (right > left) ctx.fillRect(Math.floor(left), bbox.top, Math.ceil(right) - Math.floor(left), bbox.height);
          from = to;
        }
      }
      ctx.restore();
    };
    const tell = () => {
      const spent = Object.fromEntries(LIMITS.map((word) => [word, shown.reduce((sum, sample) => sum + (sample.limits[word] || 0), 0)]));
      const whole = Object.values(spent).reduce((sum, each) => sum + each, 0) || 1;
      for (const word of LIMITS) {
        words[word].parentElement.hidden = !spent[word];
        words[word].parentElement.style.display = spent[word] ? "" : "none";
        words[word].textContent = `${LIMIT_WORDS[word] || word} ${Math.max(1, Math.round((100 * spent[word]) / whole))} %`;
      }
    };
    const frame = (all) => [all.map((sample) => sample.at), all.map(() => 0)];
    const [x, y] = axes(number);
    const chart = new uPlot({
      ...sized(plot), padding: [2, 16, 2, 0], legend: { show: false }, cursor: { sync: { key: "time" }, y: false, points: { show: false } },
      scales: { y: { range: [0, 1] } }, axes: [{ ...x, show: false }, { ...y, values: () => [], grid: { show: false } }],
      series: [{}, { stroke: "transparent", points: { show: false } }], hooks: { drawSeries: [paint] },
    }, frame(samples), plot);
    tell();
    return { plot, chart, update: (newer) => { shown = newer; chart.setData(frame(newer)); tell(); } };
  };

  const limited = (sample) => Object.keys(sample.limits).length;
  const draw = (holder, samples, { live = false } = {}) => {
    let all = [], last = samples;
    const build = () => {
      all.forEach(({ chart }) => chart.destroy());
      holder.replaceChildren();
      // A report from the journal alone knows neither answers nor limits.
      const known = KINDS.filter(({ needs }) => live || !needs || last.some(needs));
      all = [lineChart(holder, known[0], last), ...(!live && !last.some(limited) ? [] : [strip(holder, last)]), ...known.slice(1).map((kind) => lineChart(holder, { ...kind, wide: known.length === 2 }, last))];
    };
    build();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", build);
    addEventListener("resize", () => all.forEach(({ plot, chart }) => chart.setSize(sized(plot))));
    return { update: (newer) => { last = newer; all.forEach((each) => each.update(newer)); } };
  };

  const tile = (holder, words, value, tone) => {
    const box = document.createElement("div"), told = document.createElement("b"), label = document.createElement("span");
    box.className = "tile";
    if (tone) box.dataset.tone = tone;
    told.textContent = value;
    label.textContent = words;
    box.append(told, label);
    holder.append(box);
    return told;
  };

  return { draw, tile, number, seconds };
})();
