// Heat maps: a canvas whose cells can be pointed at, tapped and walked with the arrow keys, and a legend.

// The colours of the style sheet, as [r, g, b], for the scheme that is on.
function palette() {
  const style = getComputedStyle(document.documentElement);
  const rgb = (name) =>
    style
      .getPropertyValue(name)
      .trim()
      .match(/[0-9a-f]{2}/gi)
      .map((pair) => parseInt(pair, 16));
  return { negative: rgb("--negative"), zero: rgb("--zero"), positive: rgb("--positive"), ink: rgb("--ink") };
}

function colourOf(share, colours) {
  const end = share < 0 ? colours.negative : colours.positive,
    weight = Math.min(1, Math.abs(share)) ** 0.8;
  return `rgb(${colours.zero.map((from, i) => Math.round(from + (end[i] - from) * weight)).join()})`;
}

// The size that gets the strongest colour: all but the largest hundredth are below it, so one outlier hides nothing.
function boundOf(values) {
  const sizes = Array.from(values, Math.abs)
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  return sizes[Math.ceil(sizes.length * 0.99) - 1] || sizes[sizes.length - 1] || 1;
}

function legend(bound, share) {
  const scale = h("span", { class: share ? "legend-scale share" : "legend-scale" });
  const ends = share ? ["0", `from ${show(bound, 2)}`] : [`to −${show(bound, 2)}`, `from +${show(bound, 2)}`];
  return h("p", { class: "legend", "aria-hidden": "true" }, h("span", {}, ends[0]), scale, h("span", {}, ends[1]));
}

// options
//   label         what it shows, for those who do not see it
//   rows, cols    sizes; value(r, c); null: no cell
//   row(), col()  the chosen cell; onselect(r, c)
//   cellName(r, c)   what a cell is called in the line under the map
//   rowLabel(r)   a text at the left of each row, or absent
//   colLabel(c)   a text above each column, or absent
//   share         true: numbers from 0 up; bound: see boundOf
//   height        of a row in pixels; square: the largest width of a column
function heat(options) {
  const { rows, cols, value, onselect, label } = options;
  const height = options.height ?? 16;
  const values = Array.from({ length: rows * cols }, (_, i) => value(Math.floor(i / cols), i % cols));
  const bound = options.bound ?? boundOf(values.filter((v) => v !== null));
  const canvas = h("canvas", {
    tabindex: "0",
    role: "application",
    "aria-roledescription": "heat map",
    "aria-label": `${label}; arrow keys choose a cell`,
  });
  const readout = h("p", { class: "readout", "aria-live": "off" }); // spoken only while the map has the focus
  canvas.addEventListener("focus", () => readout.setAttribute("aria-live", "polite"));
  canvas.addEventListener("blur", () => readout.setAttribute("aria-live", "off"));
  const labels = options.rowLabel
    ? h(
        "div",
        { class: "heat-rows", "aria-hidden": "true" },
        Array.from({ length: rows }, (_, r) => {
          const line = h("bdi", { translate: "no" }, options.rowLabel(r));
          line.style.height = line.style.lineHeight = `${height}px`;
          return line;
        }),
      )
    : null;
  const tops = options.colLabel
    ? h(
        "div",
        { class: "heat-cols", "aria-hidden": "true" },
        Array.from({ length: cols }, (_, c) => h("bdi", { translate: "no" }, options.colLabel(c))),
      )
    : null;
  const inner = h("div", { class: "heat-canvas" }, tops, canvas);
  if (options.square) inner.style.maxWidth = `${options.square * cols}px`;
  const element = h(
    "figure",
    { class: "heat" },
    h("figcaption", {}, label),
    h("div", { class: "heat-scroll" }, labels, inner),
    readout,
    legend(bound, options.share),
  );
  const scroller = inner.parentElement;

  const clamp = (number, size) => Math.max(0, Math.min(size - 1, number));
  const chosen = () => [clamp(options.row(), rows), clamp(options.col(), cols)];
  function say(r, c) {
    const number = values[r * cols + c];
    readout.textContent = `${options.cellName(r, c)}: ${number === null ? "not seen" : show(number, 5)}`;
  }
  function draw() {
    const width = inner.clientWidth,
      ratio = window.devicePixelRatio || 1,
      colours = palette();
    if (!width) return;
    canvas.style.height = `${rows * height}px`;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(rows * height * ratio);
    const pen = canvas.getContext("2d");
    const x = (c) => Math.round((c * canvas.width) / cols),
      y = (r) => Math.round((r * canvas.height) / rows);
    const gap = canvas.width / cols > 6 * ratio ? ratio : 0;
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < cols; c++) {
        const number = values[r * cols + c];
        if (number === null) continue;
        pen.fillStyle = colourOf(number / bound, colours);
        pen.fillRect(x(c), y(r), x(c + 1) - x(c) - gap, y(r + 1) - y(r) - ratio);
      }
    const [r, c] = chosen();
    pen.strokeStyle = `rgb(${colours.ink.join()})`;
    pen.lineWidth = 1.5 * ratio;
    pen.setLineDash([3 * ratio, 3 * ratio]);
    pen.strokeRect(1, y(r) + 0.5, canvas.width - 2, y(r + 1) - y(r) - ratio);
    pen.setLineDash([]);
    pen.lineWidth = 2.5 * ratio;
    const wide = Math.max(x(c + 1) - x(c), 5 * ratio);
    pen.strokeRect(Math.min(x(c), canvas.width - wide), y(r), wide, y(r + 1) - y(r) - ratio);
  }
  function cellAt(event) {
    const box = canvas.getBoundingClientRect();
    return [
      clamp(Math.floor(((event.clientY - box.top) / box.height) * rows), rows),
      clamp(Math.floor(((event.clientX - box.left) / box.width) * cols), cols),
    ];
  }
  // Scroll the chosen row into the part that can be seen, where there are many.
  function reveal() {
    const top = chosen()[0] * height + (tops ? tops.offsetHeight : 0);
    if (top < scroller.scrollTop || top + height > scroller.scrollTop + scroller.clientHeight)
      scroller.scrollTop = top - scroller.clientHeight / 2;
  }
  function refresh() {
    draw();
    reveal();
    say(...chosen());
  }
  canvas.addEventListener("pointermove", (event) => say(...cellAt(event)));
  canvas.addEventListener("pointerleave", () => say(...chosen()));
  canvas.addEventListener("click", (event) => onselect(...cellAt(event)));
  canvas.addEventListener("keydown", (event) => {
    const [r, c] = chosen();
    const moves = {
      ArrowLeft: [r, c - 1],
      ArrowRight: [r, c + 1],
      ArrowUp: [r - 1, c],
      ArrowDown: [r + 1, c],
      Home: [r, 0],
      End: [r, cols - 1],
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    onselect(clamp(moves[event.key][0], rows), clamp(moves[event.key][1], cols));
  });
  new ResizeObserver(() => {
    draw();
    reveal();
  }).observe(inner);
  refresh();
  return { element, refresh };
}

// One vector in lines of 32 or 64 cells, wide enough for a finger.
function strip({ label, values, at, onselect, name = "feature", share = false }) {
  const wrap = Math.min(values.length, innerWidth < 700 ? 32 : 64),
    rows = Math.ceil(values.length / wrap);
  return heat({
    label,
    rows,
    cols: wrap,
    share,
    height: 16,
    value: (r, c) => (r * wrap + c < values.length ? values[r * wrap + c] : null),
    row: () => Math.floor(at() / wrap),
    col: () => at() % wrap,
    cellName: (r, c) => `${name} ${r * wrap + c}`,
    onselect: (r, c) => r * wrap + c < values.length && onselect(r * wrap + c),
  });
}
