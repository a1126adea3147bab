"use strict";
/* Zoom and readout of the timelines; without it a timeline is whole and still. */
for (const timeline of document.querySelectorAll(".timeline")) {
  const view = timeline.querySelector(".view");
  const svg = view.querySelector("svg");
  const axis = view.querySelector(".axis");
  const names = view.querySelector(".names");
  const readout = timeline.querySelector("output");
  const layers = JSON.parse(timeline.querySelector("script").textContent);
  const [, , total, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const shown = { start: 0, length: total };
  const number = (value) => Math.round(value).toLocaleString("en-US");

  const label = (parent, text, left, width) => {
    const span = document.createElement("span");
    span.textContent = text;
    span.style.left = `${left}px`;
    if (width) span.style.width = `${width}px`;
    parent.append(span);
  };

  const draw = () => {
    svg.setAttribute("viewBox", `${shown.start} 0 ${shown.length} ${height}`);
    const scale = view.clientWidth / shown.length;
    axis.replaceChildren();
    const raw = (shown.length * 100) / view.clientWidth;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = Math.max(1, [1, 2, 5, 10].map((unit) => unit * power).find((unit) => unit >= raw));
    for (let at = Math.ceil(shown.start / step) * step; at <= shown.start + shown.length; at += step)
      if ((at - shown.start) * scale < view.clientWidth - 64) label(axis, number(at), (at - shown.start) * scale);
    names.replaceChildren();
    layers.forEach(([name, start, cycles], index) => {
      const left = Math.max(0, (start - shown.start) * scale);
      const right = Math.min(view.clientWidth, (start + cycles - shown.start) * scale);
      if (right - left > 18) label(names, right - left > 60 ? `${index + 1} ${name}` : index + 1, left, right - left);
    });
  };

  const show = (start, length) => {
    shown.length = Math.min(total, Math.max(50, length));
    shown.start = Math.min(total - shown.length, Math.max(0, start));
    draw();
  };
  const zoom = (factor, at) => show(at - (at - shown.start) * factor, shown.length * factor);
  const cycleAt = (event) => {
    const box = view.getBoundingClientRect();
    return shown.start + ((event.clientX - box.left) / box.width) * shown.length;
  };
  const layerAt = (cycle) => layers.findIndex(([, start, cycles]) => cycle >= start && cycle < start + cycles);
  const showLayer = (index) => {
    if (index >= 0) show(layers[index][1] - layers[index][2] * 0.02, layers[index][2] * 1.04);
  };

  const read = (cycle) => {
    const index = layerAt(cycle);
    if (index < 0) return;
    const [name, start, , steps] = layers[index];
    const step = steps.findLastIndex((begin) => cycle - start >= begin);
    const where = step < 0 ? "first loads" : `step ${step + 1} of ${steps.length}`;
    readout.textContent = `cycle ${number(cycle)}: ${index + 1} ${name}, ${where}`;
  };

  let drag = null;
  view.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, start: shown.start, moved: false };
    view.setPointerCapture(event.pointerId);
  });
  view.addEventListener("pointermove", (event) => {
    read(cycleAt(event));
    if (!drag) return;
    const by = event.clientX - drag.x;
    drag.moved ||= Math.abs(by) > 3;
    if (drag.moved) show(drag.start - (by * shown.length) / view.clientWidth, shown.length);
  });
  view.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) showLayer(layerAt(cycleAt(event)));
    drag = null;
  });
  view.addEventListener("pointercancel", () => { drag = null; });
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, cycleAt(event));
  }, { passive: false });
  view.addEventListener("keydown", (event) => {
    const middle = shown.start + shown.length / 2;
    const actions = {
      "+": () => zoom(0.5, middle),
      "=": () => zoom(0.5, middle),
      "-": () => zoom(2, middle),
      "0": () => show(0, total),
      "ArrowLeft": () => show(shown.start - shown.length / 4, shown.length),
      "ArrowRight": () => show(shown.start + shown.length / 4, shown.length),
    };
    if (event.ctrlKey || event.metaKey || !(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
    read(shown.start + shown.length / 2);
  });
  new ResizeObserver(draw).observe(view);
}
