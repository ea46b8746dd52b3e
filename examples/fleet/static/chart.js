// The chart: what was let in over the last minute, beside the limit.
"use strict";
const chart = (() => {
  const [width, height, minute] = [600, 120, 60000];
  const svg = document.getElementById("chart");
  const samples = []; // {at, total}
  let limit = 100;

  function draw() {
    const now = performance.now();
    // The last one before the minute stays, since the line begins with it.
    while (samples.length > 1 && samples[1].at < now - minute) samples.shift();
    const top = Math.max(limit, ...samples.map((s) => s.total)) * 1.15;
    const y = (n) => (height - (n / top) * height).toFixed(1);
    const x = (at) => Math.max(0, width - ((now - at) / minute) * width).toFixed(1);
    let line = "";
    for (const s of samples) line += line ? `H${x(s.at)}V${y(s.total)}` : `M${x(s.at)} ${y(s.total)}`;
    if (line) line += `H${width}`;
    svg.querySelector(".line").setAttribute("d", line);
    svg.querySelector(".area").setAttribute("d", line && `${line}V${height}H${x(samples[0].at)}Z`);
    svg.querySelector(".limit").setAttribute("d", `M0 ${y(limit)}H${width}`);
  }

  setInterval(draw, 250);
  return {
    add(total, of) {
      limit = of;
      const last = samples.at(-1);
      if (!last || last.total !== total) samples.push({ at: performance.now(), total });
      draw();
    },
  };
})();
