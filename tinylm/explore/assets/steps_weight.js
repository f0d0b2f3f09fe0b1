// The step that tells why any single weight moved: every use, every position, every stage, adding up.

// What the rows and columns of a parameter stand for.
function placeName(app, name, [row, column]) {
  const feature = (i) => `feature ${i}`;
  if (name === "wte.weight") return `token ${app.vocabulary.label(row)} (id ${row}), ${feature(column)}`;
  if (name === "wpe.weight") return `position ${row}, ${feature(column)}`;
  if (name === "lm_head.weight") return `${feature(row)}, token ${app.vocabulary.label(column)} (id ${column})`;
  if (/\.?ln_\w+\./.test(name)) return `${name.endsWith("bias") ? "bias" : "gain"} of ${feature(row)}`;
  const output = (o) => `output ${o}${name.includes("c_attn") ? `, ${headOf(app.document.config, o)}` : ""}`;
  return column === undefined ? output(row) : `from input ${row} to ${output(column)}`;
}

// Which head's query, key or value an output of c_attn is.
function headOf({ n_embd: C, n_head: H, n_kv_head: G }, o) {
  const D = C / H,
    [part, at] = o < C ? ["q", o] : o < C + G * D ? ["k", o - C] : ["v", o - C - G * D];
  return `${part}[${at % D}] of head ${Math.floor(at / D)}`;
}

function weightStep(app) {
  return {
    id: "weight",
    group: "Training",
    title: "Why did this weight move?",
    lead:
      "Choose any weight of the model. Its gradient is a sum over the positions of the text; clipping, the " +
      "moments, decay and the learning rate make a step of it.",
    ops: [
      ["linear", [], { backward: true }],
      ["AdamW", []],
    ],
    draw(place, above) {
      const names = Object.keys(app.model.weights),
        body = h("div");
      const select = h(
        "select",
        { id: "parameter" },
        names.map((name) => h("option", { value: name, selected: name === app.weight.name }, name)),
      );
      const inputs = ["row", "column"].map((which) =>
        h("input", { type: "number", min: 0, step: 1, id: `weight-${which}` }),
      );
      const labels = inputs.map((input, i) => h("label", {}, ["row ", "column "][i], input));
      const go = (spot) => {
        app.weight.place = spot;
        refresh();
      };
      const shapeNow = () => app.model.weights[app.weight.name].shape;
      const spotOf = (flat) =>
        shapeNow().length > 1 ? [Math.floor(flat / shapeNow()[1]), flat % shapeNow()[1]] : [flat];
      select.addEventListener("change", () => {
        app.weight.name = select.value;
        go(null);
      });
      inputs.forEach((input, axis) =>
        input.addEventListener("input", () => {
          const wanted = Math.round(input.valueAsNumber);
          if (wanted >= 0 && wanted < shapeNow()[axis])
            go(app.weight.place.map((old, i) => (i === axis ? wanted : old)));
        }),
      );
      place.append(
        ...above,
        h(
          "div",
          { class: "actions" },
          h("label", {}, "parameter ", select),
          labels,
          button("Largest gradient", () => go(null)),
          button("Any weight", () =>
            go(spotOf(Math.floor(app.random() * app.model.weights[app.weight.name].data.length))),
          ),
        ),
        body,
      );
      const refresh = () => {
        const { pass } = app.training,
          { name } = app.weight,
          gradient = pass.gradients[name],
          shape = shapeNow();
        if (!app.weight.place) app.weight.place = spotOf(strongest(gradient, 1)[0].i);
        const spot = app.weight.place,
          columns = shape[1];
        labels[1].hidden = shape.length < 2;
        inputs.forEach((input, axis) => {
          input.max = (shape[axis] ?? 1) - 1;
          if (document.activeElement !== input) input.value = spot[axis] ?? "";
        });
        const row = columns ? gradient.subarray(spot[0] * columns, (spot[0] + 1) * columns) : gradient;
        const map = strip({
          label: columns ? `The gradients of row ${spot[0]}` : "The gradients",
          values: row,
          name: columns ? "column" : "place",
          at: () => (columns ? spot[1] : spot[0]),
          onselect: (i) => go(columns ? [spot[0], i] : [i]),
        });
        const focused = document.activeElement?.tagName === "CANVAS" && body.contains(document.activeElement);
        fill(body, map.element, weightReceipt(app, name, spot));
        if (focused) map.element.querySelector("canvas").focus();
        map.refresh();
      };
      refresh();
      return refresh;
    },
  };
}

const USES = {
  rows: "used as an embedding: Σ dy over the positions where this row was looked up",
  linear: "used in a matrix product: Σ x · dy over the positions",
  gain: "used as a gain: Σ x̂ · dy over the positions",
  column: "used as a bias: Σ dy over the positions",
};

function weightReceipt(app, name, spot) {
  const { pass, settings } = app.training,
    { shape, data } = app.model.weights[name],
    T = pass.trace.T;
  const flat = shape.length > 1 ? spot[0] * shape[1] + spot[1] : spot[0],
    uses = pass.uses[name] || [];
  const step = adamw(data[flat], pass.gradients[name][flat], { ...settings, scale: pass.scale }, shape.length >= 2);
  const sums = uses.map((use) => {
    const terms = termsOf(use, spot, T),
      total = terms.reduce((sum, term) => sum + term.product, 0);
    const title = use.head ? `${USES[use.how]}, as the output matrix` : USES[use.how];
    const heads = use.how === "linear" ? ["x", "dy"] : use.how === "gain" ? ["x̂", "dy"] : ["dy"];
    const rows = terms.map(({ n, x, dy, product }) => ({
      label: [`${n} `, tokenSpan(app.vocabulary, app.document.training.ids[n])],
      factors: x === null ? [dy] : [x, dy],
      value: product,
    }));
    return {
      title,
      total,
      element: terms.length ? sumTable(title, heads, rows, [], total) : h("p", {}, `${title}: no position, so 0.`),
    };
  });
  const line = (label, formula, value, key) => [
    label,
    h("td", { class: "mono" }, formula),
    numberCell(show(value, 7), { "data-name": key, "data-exact": value }),
  ];
  const decays = shape.length >= 2;
  return receipt(
    `${name}[${spot.join(", ")}]: ${placeName(app, name, spot)}`,
    `${show(step.before, 7)} → ${show(step.after, 7)}`,
    sums.map((sum) => sum.element),
    table(
      "From gradient to weight",
      ["", "", ""],
      [
        ...(sums.length > 1
          ? sums.map((sum, i) =>
              line(`gradient, use ${i + 1}`, i ? "as an embedding" : "as the output matrix", sum.total, `use-${i}`),
            )
          : []),
        line("gradient", sums.length > 1 ? "both uses added" : "the sum above", step.gradient, "gradient"),
        line("clipped g", `gradient · ${show(pass.scale)}`, step.g, "g"),
        line("m", `(1 − ${settings.betas[0]}) · g, from 0`, step.m, "m"),
        line("v", `(1 − ${settings.betas[1]}) · g², from 0`, step.v, "v"),
        line("m̂", `m / (1 − ${settings.betas[0]}¹)`, step.mhat, "mhat"),
        line("v̂", `v / (1 − ${settings.betas[1]}¹)`, step.vhat, "vhat"),
        line("before", "", step.before, "before"),
        line(
          "decay",
          decays ? `− lr · λ · before, λ = ${step.decay}` : "gains and biases do not decay",
          -step.decayed,
          "decay",
        ),
        line("Adam's step", `− lr · m̂ / (√v̂ + ${settings.eps})`, -step.moved, "step"),
        h(
          "tr",
          { class: "total" },
          line("= after", "", step.after, "after").map((cell) =>
            cell instanceof Element ? cell : h("td", {}, cell),
          ),
        ),
      ],
    ),
  );
}
