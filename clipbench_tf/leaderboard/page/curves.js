// Training curves as SVG, a line for each seed.

const SVG = "http://www.w3.org/2000/svg";
const BOX = { width: 460, height: 230, left: 48, right: 12, top: 10, bottom: 38 };
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "12 4"];

// A new element with attributes and a text; names come in as text, never as markup.
function made(tag, attributes = {}, text = "") {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== "") element.textContent = text;
  return element;
}

function shape(tag, attributes, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== "") element.textContent = text;
  return element;
}

// Round numbers that divide the range from low to high into about `count` parts.
function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((size) => size * power >= raw * 0.999);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n += 1) {
    found.push(Number((n * step).toPrecision(12)));
  }
  return found;
}

function range(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

function look(seed) {
  const n = seed % DASHES.length;
  return { colour: `var(--seed-${n})`, dash: DASHES[n] };
}

function path(seed, d) {
  const line = shape("path", { class: "curve", d });
  line.style.stroke = look(seed).colour;
  if (look(seed).dash) line.setAttribute("stroke-dasharray", look(seed).dash);
  return line;
}

// A figure of one curve: {name, seeds: {seed: [[step, value], ...]}}.
function figureOf(curve, label) {
  const points = Object.values(curve.seeds).flat();
  const [first, last] = range(points.map(([step]) => step));
  const [low, high] = range(points.map(([, value]) => value));
  const { width, height, left, right, top, bottom } = BOX;
  const x = (step) => left + (step - first) / (last - first) * (width - left - right);
  const y = (value) => height - bottom - (value - low) / (high - low) * (height - top - bottom);
  const svg = shape("svg", {
    viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${label}: ${curve.name} by step`,
  });
  for (const value of ticks(low, high, 5)) {
    svg.append(shape("path", { class: "frame", d: `M${left} ${y(value)}H${width - right}` }));
    svg.append(shape("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, String(value)));
  }
  for (const step of ticks(first, last, 5)) {
    svg.append(shape("text", { x: x(step), y: height - 20, "text-anchor": "middle" }, String(step)));
  }
  svg.append(shape("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, "step"));
  Object.values(curve.seeds).forEach((some, n) => {
    if (!some.length) return;
    const at = some.map(([step, value]) => `${x(step).toFixed(1)} ${y(value).toFixed(1)}`);
    svg.append(path(n, `M${at.join("L")}`));
    if (some.length > 20) return;
    for (const [step, value] of some) {
      const dot = shape("circle", { class: "dot", cx: x(step).toFixed(1), cy: y(value).toFixed(1), r: 3 });
      dot.style.fill = look(n).colour;
      svg.append(dot);
    }
  });
  const figure = made("figure");
  figure.append(made("figcaption", {}, curve.name), svg);
  return figure;
}

// Which line is which seed.
function keyOf(curve) {
  const key = made("p", { class: "keys" });
  Object.keys(curve.seeds).forEach((seed, n) => {
    const item = made("span", { class: "key" });
    const svg = shape("svg", { viewBox: "0 0 28 8", "aria-hidden": "true" });
    svg.append(path(n, "M0 4H28"));
    item.append(svg, made("span", {}, `seed ${seed}`));
    key.append(item);
  });
  return key;
}
