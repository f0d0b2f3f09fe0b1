// Down to single numbers: the sum that made one, its largest terms listed, all lines adding up to the total.

const LISTED = 8; // terms listed; the others come as one line

function receipt(title, formula, ...body) {
  return h(
    "section",
    { class: "receipt", "aria-label": title },
    h("h3", {}, title),
    h("p", { class: "equals" }, formula),
    ...body,
  );
}

function numberCell(text, attributes = {}) {
  return h("td", { class: "number", ...attributes }, text);
}

// terms: [{label, factors: [numbers], value}]; heads: names of the factors
// lines after the terms: [label, value, note], added to them; total: what the model holds
function sumTable(caption, heads, terms, lines, total, listed = LISTED) {
  const few = terms.length <= listed + 2;
  const shown = few
    ? terms
    : terms
        .slice()
        .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
        .slice(0, listed);
  const rest = few ? [] : terms.filter((term) => !shown.includes(term));
  const blank = heads.map(() => numberCell(""));
  const row = (label, value, attributes = {}) =>
    h(
      "tr",
      attributes,
      h("td", {}, label),
      blank.map((cell) => cell.cloneNode()),
      numberCell(value),
    );
  return table(
    caption,
    ["", ...heads, ""],
    [
      ...shown.map((term) =>
        h(
          "tr",
          {},
          h("td", {}, term.label),
          term.factors.map((factor) => numberCell(factor === null ? "" : show(factor))),
          numberCell(signed(term.value)),
        ),
      ),
      rest.length ? row(`${rest.length} others`, signed(rest.reduce((sum, term) => sum + term.value, 0))) : null,
      ...lines.map(([label, value]) => row(label, typeof value === "string" ? value : signed(value))),
      row("in all", show(total, 6), { class: "total" }),
    ].filter((each) => each !== null),
  );
}

// y = x W + b for one output.  x: the row of inputs; column(i): the weight for input i
function linearReceipt(title, formula, x, column, bias, total, names = ["x", "W"]) {
  const terms = Array.from(x, (value, i) => ({
    label: `feature ${i}`,
    factors: [value, column(i)],
    value: value * column(i),
  }));
  return receipt(
    title,
    formula,
    sumTable("The largest terms", names, terms, bias === null ? [] : [["bias", bias]], total),
  );
}

// One output of a layer by its name, read from its stored weights (in, out).
function layerReceipt(app, title, formula, layer, x, o, total, names) {
  const {
      shape: [, O],
      data,
    } = app.model.weights[`${layer}.weight`],
    bias = weightOf(app.model, `${layer}.bias`);
  return linearReceipt(title, formula, x, (i) => data[i * O + o], bias ? bias[o] : null, total, names);
}

// One number of a norm, step by step.
function normReceipt(app, name, norm, x, t, c) {
  const { n_embd: C, norm: kind, norm_eps: eps } = app.document.config,
    i = t * C + c;
  const gain = weightOf(app.model, `${name}.weight`)[c],
    bias = weightOf(app.model, `${name}.bias`);
  const row = rowOf(x, t, C),
    mean = norm.mean[t];
  const square = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / C;
  const lines = [
    ["x", show(x[i], 6), "the number that came in"],
    ...(kind === "layer"
      ? [
          ["μ", show(mean, 6), `the mean of the ${C} features`],
          ["σ²", show(square, 6), "their variance"],
        ]
      : [["mean(x²)", show(square, 6), `over the ${C} features`]]),
    ["r", show(norm.rstd[t], 6), `1 / √(${show(square, 6)} + ${eps})`],
    ["x̂", show(norm.xhat[i], 6), kind === "layer" ? "(x − μ) · r" : "x · r"],
    ["gain", show(gain, 6), `learnt, for feature ${c}`],
    ...(bias ? [["bias", show(bias[c], 6), `learnt, for feature ${c}`]] : []),
    ["y", show(norm.y[i], 6), bias ? "gain · x̂ + bias" : "gain · x̂"],
  ];
  return receipt(
    `Feature ${c} at position ${t}, ${app.label(t)}`,
    `y = ${show(norm.y[i], 6)}`,
    table(
      "How it was made",
      ["", "", ""],
      lines.map(([letter, value, note]) => [letter, numberCell(value), note]),
    ),
  );
}

// What a part of a block adds to the stream of features.
function residualReceipt(t, c, before, change, after) {
  return receipt(
    "Added to the stream",
    `${show(before, 6)} ${change < 0 ? "−" : "+"} ${show(Math.abs(change), 6)} = ${show(after, 6)}`,
    h("p", { class: "quiet" }, `Feature ${c} at position ${t}: what was there, what is added, what goes on.`),
  );
}
