"use strict";
// The report: what was seen of a run is in the page itself.

(() => {
  const samples = JSON.parse(document.getElementById("samples").textContent);
  if (samples.length > 1) Charts.draw(document.getElementById("charts"), samples);
  else document.getElementById("charts").hidden = true;
})();
