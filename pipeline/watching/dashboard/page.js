"use strict";
// The live page: a sample a second comes over the wire, and is drawn.

(() => {
  const KEPT = 900;
  const at = (id) => document.getElementById(id);
  const whole = new Intl.NumberFormat("en");
  const span = (value) => {
    if (value == null) return "–";
    if (value < 100) return Charts.seconds(value);
    return value < 7200 ? `${Math.round(value / 60)} min` : `${Math.round(value / 3600)} h`;
  };
  const bytes = (value) => (value == null ? "–" : value < 1e6 ? `${Math.round(value / 1e3)} kB` : `${(value / 1e6).toFixed(1)} MB`);
  const TILES = [
    ["accepted", "accepted", (now) => whole.format(now.accepted)],
    ["rejected", "rejected", (now) => whole.format(now.rejected)],
    ["unknown", "unknown", (now) => whole.format(now.unknown)],
    ["a second", "", (now, recent) => Charts.number(recent)],
    ["unsettled", "", (now) => Charts.number(now.unsettled)],
    ["oldest waits", "", (now) => span(now.oldest_unsettled_seconds)],
    ["in the folder", "", (now) => Charts.number(now.waiting_files), "waiting_files"],
    ["on the queue", "", (now) => Charts.number(now.waiting_messages), "waiting_messages"],
    ["oldest there", "", (now) => span(now.oldest_message_seconds), "oldest_message_seconds"],
    ["limited by", "", (now) => now.limit || "–"],
    ["token age", "", (now) => span(now.token_age_seconds)],
    ["journal", "", (now) => bytes(now.journal_bytes)],
  ];
  let samples = [], charts = null, tiles = null;

  const show = (state) => {
    const last = samples.slice(-10);
    const seconds = last.reduce((sum, each) => sum + each.seconds, 0);
    const recent = seconds ? last.reduce((sum, each) => sum + each.accepted + each.rejected + each.unknown, 0) / seconds : 0;
    tiles ??= TILES.map(([words, tone]) => Charts.tile(at("tiles"), words, "", tone));
    TILES.forEach(([, tone, value, only], index) => {
      tiles[index].textContent = value(state, recent);
      tiles[index].parentElement.hidden = only != null && state[only] == null;
      if (tone && tone !== "accepted") tiles[index].parentElement.dataset.tone = state[tone] ? tone : "";
    });
    at("run").textContent = state.run_id || "";
    at("phase").textContent = state.phase;
    at("phase").dataset.phase = state.phase;
    const lacks = state.phase === "running" ? state.lacks.join("; ") : "";
    at("trouble").textContent = lacks && `not ready: ${lacks}`;
    at("trouble").hidden = !lacks;
    document.title = `${Charts.number(recent)}/s · journey-pipeline`;
  };

  const stream = new EventSource("live");
  stream.addEventListener("history", (event) => {
    const told = JSON.parse(event.data);
    samples = told.samples;
    if (charts) charts.update(samples);
    else charts = Charts.draw(at("charts"), samples, { live: true });
    show(told.state);
  });
  stream.addEventListener("sample", (event) => {
    const told = JSON.parse(event.data);
    samples = [...samples, told.sample].slice(-KEPT);
    charts.update(samples);
    show(told.state);
  });
  stream.addEventListener("ended", (event) => {
    stream.close();
    show(JSON.parse(event.data).state);
    at("phase").textContent = "the process has ended";
    at("phase").dataset.phase = "ended";
  });
  stream.addEventListener("error", () => {
    at("phase").textContent = "no connection";
    at("phase").dataset.phase = "lost";
  });
})();
