// Charts of one description each: forest, bars, dots, lines, scatter and grid. Every mark has a text for hover and keyboard.

const SVG = "http://www.w3.org/2000/svg";

function draw(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A mark with a text; one that names a task opens it. */
function mark(tag, attributes, tip, task) {
  const attributesOfMark = { ...attributes, "data-tip": tip, tabindex: "0", role: task ? "button" : "img", "aria-label": tip };
  if (task) attributesOfMark["data-task"] = task;
  return draw(tag, attributesOfMark);
}

const label = (x, y, text, attributes = {}) => draw("text", { x, y, ...attributes }, text);
const line = (x1, y1, x2, y2, attributes) => draw("line", { x1, y1, x2, y2, ...attributes });
const color = (at) => `var(--series-${at % 6})`;

/** Round values that cover an interval. */
function ticks(low, high, about) {
  const rough = (high - low) / Math.max(about, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((of) => of * power >= rough) ?? 10);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at += 1) found.push(at * step);
  return found;
}

const tickText = (value) => String(Number(value.toPrecision(6))).replace("-", "\u2212");

/** Room around the values; a single value gets some. */
function range(values, withZero) {
  const all = values.filter(finite);
  if (withZero) all.push(0);
  let [low, high] = [Math.min(...all), Math.max(...all)];
  if (!finite(low)) return [0, 1];
  if (low === high) return [low - (Math.abs(low) * 0.1 || 1), high + (Math.abs(high) * 0.1 || 1)];
  const room = (high - low) * 0.06;
  return [low - (withZero && low === 0 ? 0 : room), high + (withZero && high === 0 ? 0 : room)];
}

const scale = (low, high, from, to) => (value) => from + ((value - low) / (high - low)) * (to - from);

/** Cuts a name to a width; its whole text is in the mark's text. */
const cut = (text, chars) => (text.length > chars ? `${text.slice(0, chars - 1)}\u2026` : text);

function intervalText(row, digits) {
  if (!finite(row.low)) return "no interval";
  return `95 % interval ${signed(row.low, digits)} to ${signed(row.high, digits)}`;
}

/** Differences with intervals, in groups that have a scale each. */
function forest({ groups }) {
  const [width, names, numbers, row] = [1120, 330, 250, 24];
  const svg = draw("svg", { role: "group" });
  let y = 0;
  for (const group of groups) {
    y += 22;
    svg.append(label(0, y, `${group.title} (${group.unit})`, { class: "muted" }));
    const ends = group.rows.flatMap((of) => [of.value, of.low, of.high, of.required]);
    const [low, high] = range(ends, true);
    const x = scale(low, high, names, width - numbers);
    const top = y + 6;
    for (const of of group.rows) {
      y += row;
      const tone = of.decides ? "var(--accent)" : "var(--ink)";
      const text = `${of.label}\n${signed(of.value, group.digits)} ${group.unit}, ${intervalText(of, group.digits)}, ${counted(of.n, "task")}` +
        (finite(of.required) ? `\nrequired: ${signed(of.required, group.digits)}` : "") + (of.note ? `\n${of.note}` : "");
      svg.append(label(12, y, cut(of.label, 48), { fill: tone }));
      const numbersText = finite(of.value)
        ? `${signed(of.value, group.digits)} (${finite(of.low) ? `${signed(of.low, group.digits)} to ${signed(of.high, group.digits)}` : "no interval"}), n ${of.n}`
        : `no value, n ${of.n}`;
      svg.append(label(width - numbers + 14, y, numbersText));
      if (finite(of.low)) svg.append(line(x(of.low), y - 4, x(of.high), y - 4, { stroke: tone, "stroke-width": of.decides ? 4 : 2 }));
      if (finite(of.required)) svg.append(line(x(of.required), y - row / 2 - 4, x(of.required), y + row / 2 - 4, { class: "need" }));
      if (finite(of.value)) svg.append(mark("circle", { cx: x(of.value), cy: y - 4, r: of.decides ? 6 : 5, fill: tone }, text));
    }
    const bottom = y + 8;
    svg.append(line(x(0), top, x(0), bottom, { class: "axis" }));
    y = bottom + 14;
    for (const at of ticks(low, high, 6)) {
      svg.append(line(x(at), bottom, x(at), bottom + 4, { class: "axis" }));
      svg.append(label(x(at), y + 4, tickText(at), { class: "muted", "text-anchor": "middle" }));
    }
    y += 14;
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${y + 4}`);
  return svg;
}

/** Shares with intervals, one bar each. */
function bars({ unit, digits, rows }) {
  const [width, names, numbers, row] = [620, 270, 60, 24];
  const [, high] = range(rows.flatMap((of) => [of.value, of.high]), true);
  const x = scale(0, high, names, width - numbers);
  const svg = draw("svg", { role: "group", viewBox: `0 0 ${width} ${rows.length * row + 28}` });
  rows.forEach((of, at) => {
    const y = at * row + 4;
    const text = `${of.label}\n${shown(of.value, digits)} ${unit}` + (finite(of.low) ? `, 95 % interval ${shown(of.low, digits)} to ${shown(of.high, digits)}` : "") + (of.note ? `\n${of.note}` : "");
    svg.append(label(0, y + 13, cut(of.label, 42)));
    svg.append(mark("rect", { x: names, y, width: Math.max(x(of.value) - names, 1), height: 16, fill: color(of.series ?? 0) }, text));
    if (finite(of.low)) svg.append(line(x(of.low), y + 8, x(of.high), y + 8, { stroke: "var(--ink)", "stroke-width": 1.5 }));
    svg.append(label(width - numbers + 8, y + 13, shown(of.value, digits)));
  });
  const bottom = rows.length * row + 4;
  for (const at of ticks(0, high, 5)) {
    svg.append(line(x(at), 0, x(at), bottom, { class: "grid" }));
    svg.append(label(x(at), bottom + 16, tickText(at), { class: "muted", "text-anchor": "middle" }));
  }
  svg.append(label(0, bottom + 16, unit, { class: "muted" }));
  return svg;
}

/** Axes of a plot with two quantitative directions. */
function frame(width, height, [xLow, xHigh], [yLow, yHigh], xName, yName) {
  const [left, right, top, bottom] = [58, 12, 10, 42];
  const x = scale(xLow, xHigh, left, width - right);
  const y = scale(yLow, yHigh, height - bottom, top);
  const svg = draw("svg", { role: "group", viewBox: `0 0 ${width} ${height}` });
  for (const at of ticks(yLow, yHigh, 5)) {
    svg.append(line(left, y(at), width - right, y(at), { class: "grid" }));
    svg.append(label(left - 6, y(at) + 4, tickText(at), { class: "muted", "text-anchor": "end" }));
  }
  for (const at of ticks(xLow, xHigh, 6)) {
    svg.append(label(x(at), height - bottom + 16, tickText(at), { class: "muted", "text-anchor": "middle" }));
  }
  if (yLow < 0 && yHigh > 0) svg.append(line(left, y(0), width - right, y(0), { class: "axis" }));
  svg.append(label((left + width - right) / 2, height - 6, xName, { class: "muted", "text-anchor": "middle" }));
  svg.append(label(12, top + 4, yName, { class: "muted", transform: `rotate(-90 12 ${top + 4})`, "text-anchor": "end" }));
  return { svg, x, y };
}

/** Lines over a common axis; points are marks. */
function lines({ x: xName, y: yName, digits, series }) {
  const points = series.flatMap((of) => of.points);
  const { svg, x, y } = frame(620, 300, range(points.map((of) => of[0]), false), range(points.map((of) => of[1]), false), xName, yName);
  series.forEach((of, at) => {
    const stroke = color(of.series ?? at);
    const path = of.points.map(([px, py], k) => `${k === 0 ? "M" : "L"}${x(px).toFixed(1)} ${y(py).toFixed(1)}`).join("");
    svg.append(draw("path", { d: path, fill: "none", stroke, "stroke-width": of.faint ? 1 : 2, opacity: of.faint ? 0.55 : 1 }));
    const every = Math.ceil(of.points.length / 120);
    of.points.forEach(([px, py], k) => {
      if (k % every !== 0 && k !== of.points.length - 1) return;
      svg.append(mark("circle", { cx: x(px), cy: y(py), r: of.points.length > 60 ? 3 : 4, fill: stroke, opacity: of.points.length > 60 ? 0.02 : 1 },
        `${of.name}\n${xName} ${tickText(px)}: ${shown(py, digits)} ${yName}`));
    });
  });
  return svg;
}

/** One point for each item. */
function scatter({ x: xName, y: yName, digits, points }) {
  const { svg, x, y } = frame(620, 320, range(points.map((of) => of.x), true), range(points.map((of) => of.y), true), xName, yName);
  const taken = [];
  for (const of of points) {
    svg.append(mark("circle", { cx: x(of.x), cy: y(of.y), r: 6, fill: color(of.series ?? 0) },
      `${of.label}\n${shown(of.y, digits)} ${yName}\n${grouped(Math.round(of.x))} ${xName}` + (of.note ? `\n${of.note}` : "")));
    // A name that would cover another is only in the mark's text.
    const name = cut(of.label, 24);
    const isRight = x(of.x) > 430;
    const [from, to] = isRight ? [x(of.x) - 9 - 6.6 * name.length, x(of.x) - 9] : [x(of.x) + 9, x(of.x) + 9 + 6.6 * name.length];
    const covers = taken.some((other) => Math.abs(other.y - y(of.y)) < 14 && from < other.to && other.from < to);
    const marks = points.some((other) => other !== of && Math.abs(y(other.y) - y(of.y)) < 10 && x(other.x) + 6 > from && x(other.x) - 6 < to);
    if (covers || marks) continue;
    taken.push({ y: y(of.y), from, to });
    svg.append(label(isRight ? to : from, y(of.y) + 4, name, { "text-anchor": isRight ? "end" : "start" }));
  }
  return svg;
}

/** The difference of each task, sorted; with the mean and its interval. */
function dots({ unit, digits, mean, low, high, of: compared, points }) {
  const { svg, x, y } = frame(620, 280, [0, points.length + 1], range(points.map((of) => of.value), true), "tasks, sorted by their difference", unit);
  if (finite(low)) svg.append(draw("rect", { x: x(0), width: x(points.length + 1) - x(0), y: y(high), height: Math.max(y(low) - y(high), 1), fill: "var(--accent)", opacity: 0.14 }));
  if (finite(mean)) svg.append(line(x(0), y(mean), x(points.length + 1), y(mean), { stroke: "var(--accent)", "stroke-width": 2 }));
  svg.dataset.of = JSON.stringify(compared);
  points.forEach((of, at) => {
    const tone = of.value > 0 ? 0 : of.value < 0 ? 1 : 5;
    svg.append(mark("circle", { cx: x(at + 1), cy: y(of.value), r: points.length > 200 ? 2.5 : 4, fill: color(tone) },
      `${of.task}\n${signed(of.value, digits)} ${unit}`, of.task));
  });
  return svg;
}

/** Values at the points of a grid, darker for larger ones. */
function grid({ rows, columns, rowName, columnName, unit, digits, cells }) {
  const [left, top, width, height] = [110, 24, Math.min(110, 500 / columns.length), 44];
  const values = cells.map((of) => of.value).filter(finite);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const svg = draw("svg", { role: "group", viewBox: `0 0 620 ${top + rows.length * height + 30}` });
  columns.forEach((name, at) => svg.append(label(left + at * width + width / 2, top - 8, `${columnName} ${name}`, { "text-anchor": "middle", class: "muted" })));
  rows.forEach((name, at) => svg.append(label(left - 8, top + at * height + height / 2 + 4, `${rowName} ${name}`, { "text-anchor": "end", class: "muted" })));
  for (const of of cells) {
    const [x, y] = [left + of.column * width, top + of.row * height];
    const strength = high > low && finite(of.value) ? (of.value - low) / (high - low) : 0;
    svg.append(mark("rect", { x: x + 1, y: y + 1, width: width - 2, height: height - 2, rx: 4, fill: "var(--accent)", opacity: (0.08 + 0.5 * strength).toFixed(2) },
      `${of.label}\n${shown(of.value, digits)} ${unit}` + (of.note ? `\n${of.note}` : "")));
    svg.append(label(x + width / 2, y + height / 2 + 4, shown(of.value, digits), { "text-anchor": "middle", "pointer-events": "none" }));
  }
  svg.append(label(left, top + rows.length * height + 20, unit, { class: "muted" }));
  return svg;
}

const KINDS = { forest, bars, dots, lines, scatter, grid };

function legend(chart) {
  const names = chart.legend ?? (chart.kind === "lines" ? chart.series.map((of, at) => [of.name, of.series ?? at]) : []);
  if (names.length < 2) return undefined;
  return make("div", { class: "legend" }, ...names.map(([name, at]) => {
    const box = make("i", {});
    box.style.background = color(at);
    return make("span", {}, box, name);
  }));
}

function showCharts(charts, place) {
  for (const chart of charts) {
    const figure = make("figure", { class: chart.kind === "forest" ? "wide" : "", "data-kind": chart.kind },
      make("figcaption", {}, chart.title), legend(chart), KINDS[chart.kind](chart), chart.note && make("p", { class: "muted" }, chart.note));
    place.append(figure);
  }
}

/** Shows the text of the mark under the pointer or with the focus. */
function followMarks() {
  const tip = make("div", { id: "tip", hidden: true });
  document.body.append(tip);
  const at = (x, y) => {
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(4, y + 18 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 12 : y + 18)}px`;
  };
  const show = (element, x, y) => {
    tip.textContent = element.getAttribute("data-tip");
    tip.hidden = false;
    at(x, y);
  };
  const marked = (event) => event.target.closest?.("[data-tip]");
  document.addEventListener("pointerover", (event) => { if (marked(event)) show(marked(event), event.clientX, event.clientY); else tip.hidden = true; });
  document.addEventListener("pointermove", (event) => { if (!tip.hidden) at(event.clientX, event.clientY); });
  document.addEventListener("focusin", (event) => {
    const element = marked(event);
    if (!element) { tip.hidden = true; return; }
    const box = element.getBoundingClientRect();
    show(element, box.right, box.bottom);
  });
  const open = (event) => {
    const task = event.target.getAttribute?.("data-task");
    if (!task) return;
    const place = event.target.closest("svg");
    const run = Number(place.closest(".charts").id.split("-")[1]);
    const [arm, workflow, decoding] = JSON.parse(place.dataset.of);
    // Else the key would also press the button that gets the focus.
    event.preventDefault();
    openTask({ id: task, run, arm, workflow, decoding });
  };
  document.addEventListener("click", open);
  document.addEventListener("keydown", (event) => { if (event.key === "Enter") open(event); });
}
