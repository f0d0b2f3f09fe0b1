// What every step shows: a sentence, the equation of its op with shapes and source line, and maps of its arrays.

// The lines of an op's equation; of gelu's two forms the one that this model has.
function equationsOf(app, name) {
  const lines = app.document.ops[name].equation.split("\n");
  if (name !== "gelu") return lines;
  const form = app.document.config.mlp === "gelu" ? "none:" : "tanh:";
  const from = lines.findIndex((line) => line.startsWith(form)),
    to = lines.findIndex((line, i) => i > from && /^\w+:/.test(line));
  return lines.slice(from, to < 0 ? lines.length : to).map((line) => line.replace(form, "").trim());
}

// What an op's equation has and this model, or this page, does not use; null where it uses all of it.
function remarkOf(app, name, backward) {
  if (name === "causal_attention")
    return "Here S = T: all positions are queries, nothing is cached. No gates: they are for dropout in training.";
  if (name === "softmax_cross_entropy") return backward ? "Here s = 0, and dy · weight = 1 / T." : "Here s = 0.";
  if (backward) return null;
  if (name === "linear" && !weightOf(app.model, "h.0.attn.c_attn.bias")) return "This model has no biases: no b.";
  if (name === "layer_norm" && !weightOf(app.model, "ln_f.bias")) return "This model has no biases: y = gain · x̂.";
  return null;
}

// One op. shapes: pairs of a name and letters, as ["q", "B, H, T, D"]; backward: the equation of its gradient instead
function opBox(app, name, shapes, { backward = false, remark = remarkOf(app, name, backward) } = {}) {
  const op = app.document.ops[name],
    equations = backward ? [op.backward] : equationsOf(app, name);
  const box = h(
    "details",
    { class: "op", open: app.opened },
    h(
      "summary",
      {},
      h("code", {}, backward ? `${name}, backward` : name),
      " ",
      h("span", { class: "equation" }, equations[0]),
    ),
    equations.slice(1).map((line) => h("p", { class: "equation" }, line)),
    h("p", {}, op.sentence.replaceAll("`", "")),
    remark === null ? null : h("p", { class: "remark" }, remark),
    h(
      "dl",
      {},
      shapes.map(([what, letters]) => [h("dt", {}, what), h("dd", {}, shapeText(letters, app.sizes))]),
    ),
    h("code", { class: "quiet source" }, backward ? op.backward_source : op.source),
    op.note && !backward ? h("span", { class: "quiet" }, ` · ${op.note}`) : null,
  );
  box.addEventListener("toggle", () => (app.opened = box.open)); // the next steps follow
  return box;
}

function ops(...boxes) {
  return h("div", { class: "ops" }, boxes);
}

// All positions and features of an array (T, C), or the part of it that belongs to one head.
function rowsMap(app, label, values, width, { key = "c", name = "feature", onselect = () => {} } = {}) {
  const T = app.trace.T;
  return heat({
    label,
    rows: T,
    cols: width,
    value: (t, c) => values[t * width + c],
    row: () => app.at.t,
    col: () => app.at[key],
    cellName: (t, c) => `position ${t} ${app.label(t)}, ${name} ${c}`,
    rowLabel: T > 1 ? (t) => app.label(t) : undefined,
    onselect(t, c) {
      app.at[key] = c;
      onselect();
      app.select(t);
    },
  });
}

// The largest entries of a list: [{i, value}], by size.
function strongest(values, count, size = Math.abs) {
  return Array.from(values, (value, i) => ({ i, value }))
    .sort((a, b) => size(b.value) - size(a.value) || a.i - b.i)
    .slice(0, count);
}

// A row of one array of rows.
function rowOf(values, t, width) {
  return values.subarray(t * width, (t + 1) * width);
}

// A step that shows maps above and a receipt below; `maps` are made once, `receipt()` whenever a cell is chosen.
function mapsAndReceipt(place, above, maps, receipt) {
  const below = h("div", { class: "below" });
  place.append(
    ...above.flat(9),
    h(
      "div",
      { class: maps.length > 1 ? "pair" : "" },
      maps.map((map) => map.element),
    ),
    below,
  );
  const refresh = () => {
    maps.forEach((map) => map.refresh());
    fill(below, receipt());
  };
  fill(below, receipt());
  return refresh;
}

function chooseHead(app) {
  const heads = Array.from({ length: app.document.config.n_head }, (_, i) => [i, `head ${i}`]);
  return choices("Head", heads, app.at.head, (head) => {
    app.at.head = head;
    app.render();
  });
}
