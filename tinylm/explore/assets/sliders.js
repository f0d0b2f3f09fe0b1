// The controls of the funnel: a slider and a number for each stage, and for the random number.

const SLIDERS = [
  // name, what it is called, from, to, step of the slider, when it does nothing
  ["temperature", "Temperature", 0, 2, 0.05, "0 is greedy; 1 changes nothing"],
  ["topK", "Top-k", 0, 1, 0.01, "the whole vocabulary changes nothing"],
  ["topP", "Top-p", 0.01, 1, 0.01, "1 is off"],
  ["minP", "Min-p", 0, 1, 0.01, "0 is off"],
  ["penalty", "Repetition penalty", 1, 2, 0.05, "1 is off"],
];

// What the sliders say, as choose() wants it: null leaves a stage out.
function stagesOf(settings, V) {
  return {
    temperature: settings.temperature,
    penalty: settings.penalty,
    topK: settings.topK >= V ? null : settings.topK,
    topP: settings.topP >= 1 ? null : settings.topP,
    minP: settings.minP <= 0 ? null : settings.minP,
  };
}

// A number typed by hand, brought into the range that tinylm accepts; NaN becomes what was there.
function accepted(name, value, before, V) {
  if (!Number.isFinite(value)) return before;
  if (name === "temperature") return value <= 0 ? 0 : Math.max(value, 1e-6);
  if (name === "topK") return Math.max(1, Math.min(V, Math.round(value)));
  if (name === "topP") return value <= 0 ? before : Math.min(1, value);
  if (name === "minP") return Math.max(0, Math.min(1, value));
  return value > 0 ? value : before;
}

function slider([name, label, low, high, step, note], app, onchange) {
  const V = app.vocabulary.size,
    settings = app.settings,
    id = `slider-${name}`;
  const position = (value) => (name === "topK" ? Math.log(value) / Math.log(V) : value); // k by its logarithm
  const value = (at) => (name === "topK" ? V ** at : at);
  const range = h("input", { type: "range", id, min: low, max: high, step, "aria-describedby": `${id}-note` });
  const number = h("input", {
    type: "number",
    step: name === "topK" ? 1 : "any",
    min: 0,
    "aria-label": `${label}, as a number`,
    "data-setting": name,
  });
  const put = (raw, from) => {
    settings[name] = accepted(name, raw, settings[name], V);
    if (from !== range) range.value = position(settings[name]);
    if (from !== number) number.value = Number(settings[name].toPrecision(6));
    range.setAttribute("aria-valuetext", String(settings[name]));
  };
  put(settings[name], null);
  range.addEventListener("input", () => {
    put(value(Number(range.value)), range);
    onchange();
  });
  number.addEventListener("input", () => {
    put(number.valueAsNumber, number);
    onchange();
  });
  number.addEventListener("change", () => put(settings[name], null));
  return h(
    "div",
    { class: "slider" },
    h("label", { for: id }, label),
    h("div", {}, range, number),
    h("small", { id: `${id}-note` }, note),
  );
}

function uniformControls(app, refresh) {
  const range = h("input", { type: "range", id: "uniform", min: 0, max: 0.9999, step: 0.0001 });
  const number = h("input", {
    type: "number",
    min: 0,
    max: 1,
    step: "any",
    "aria-label": "The number drawn",
    "data-setting": "uniform",
  });
  const put = (value) => {
    app.uniform = Math.max(0, Math.min(value, 1 - 2 ** -53));
    range.value = number.value = app.uniform;
    refresh();
  };
  range.value = number.value = app.uniform;
  range.addEventListener("input", () => put(Number(range.value)));
  number.addEventListener(
    "input",
    () =>
      Number.isFinite(number.valueAsNumber) &&
      ((app.uniform = Math.max(0, Math.min(number.valueAsNumber, 1 - 2 ** -53))),
      (range.value = app.uniform),
      refresh()),
  );
  const { seed } = app.document.draws;
  return h(
    "div",
    { class: "slider" },
    h("label", { for: "uniform" }, "The random number u"),
    h("div", {}, range, number),
    h(
      "div",
      { class: "actions" },
      button("Draw another", () => put(app.random())),
      button(`What seed ${seed} draws here`, () => put(app.seededUniform())),
    ),
    h("small", {}, `tinylm sample --seed ${seed} draws ${app.seededUniform().toFixed(6)} at this place.`),
  );
}
