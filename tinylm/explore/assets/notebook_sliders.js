// Sliders in a notebook: one row of logits, and the choice that tinylm/choose.py would make of it (choose.js).

// [setting, label, lowest, highest, step of the slider, from position to value, from value to position]
const LINEAR = (value) => value;
const controlsOf = (V) => [
  ["temperature", "temperature", 0, 2, 0.05, LINEAR, LINEAR],
  ["topK", "top-k", 0, 1, 0.005, (at) => Math.round(V ** at), (k) => Math.log(k) / Math.log(Math.max(V, 2))],
  ["topP", "top-p", 0.01, 1, 0.01, LINEAR, LINEAR],
  ["minP", "min-p", 0, 1, 0.01, LINEAR, LINEAR],
  ["penalty", "repetition penalty", 1, 2, 0.05, LINEAR, LINEAR],
  ["uniform", "number drawn, u", 0, 0.999, 0.001, LINEAR, LINEAR],
];

// What the sliders say, as choose() wants it: null leaves a stage out.
function stagesAt(at, V) {
  return {
    temperature: at.temperature,
    penalty: at.penalty,
    topK: at.topK >= V ? null : at.topK,
    topP: at.topP >= 1 ? null : at.topP,
    minP: at.minP <= 0 ? null : at.minP,
  };
}

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function startSliders(root) {
  const { logits, labels, seen, most, at } = JSON.parse(root.dataset.choice),
    V = logits.length;
  const controls = element("div", "", { class: "controls" }),
    said = element("p", "", { role: "status", class: "said" }),
    line = element("div", "", {
      class: "line",
      role: "img",
      "aria-label": "probabilities end to end, in order of id",
    }),
    table = element("table", "");
  const write = (name, output) => {
    const off = { topK: at.topK >= V, topP: at.topP >= 1, minP: at.minP <= 0, penalty: at.penalty === 1 }[name];
    const number = name === "topK" ? at.topK : Number(at[name].toFixed(3));
    output.textContent = off ? `${number} (off)` : name === "temperature" && !at.temperature ? "0 (greedy)" : number;
  };
  for (const [name, label, min, max, step, value, place] of controlsOf(V)) {
    const row = element("label", "");
    const range = element("input", "", { type: "range", min, max, step, name });
    const output = element("output", "");
    range.value = place(at[name]);
    range.addEventListener("input", () => {
      at[name] = value(Number(range.value));
      write(name, output);
      show();
    });
    write(name, output);
    row.append(element("span", label), range, output);
    controls.append(row);
  }

  function show() {
    const made = choose(logits, seen, stagesAt(at, V), at.uniform);
    const before = probabilities(made.scaled),
      cut = [
        ["top-k", made.topK],
        ["top-p", made.topP],
        ["min-p", made.minP],
      ];
    root.tinylm = { p: Array.from(made.p), token: made.token, at: { ...at } };
    const order = Array.from(before.keys()).sort((a, b) => before[b] - before[a] || a - b);
    const shown = order.slice(0, most);
    if (!shown.includes(made.token)) shown[shown.length - 1] = made.token;
    const left = made.p.reduce((n, p) => n + (p > 0), 0);
    const chosen = `“${labels[made.token]}” (id ${made.token}, p = ${made.p[made.token].toFixed(4)})`;
    said.textContent = made.greedy
      ? `greedy: nothing is drawn, ${chosen} has the largest logit`
      : `${left} of ${V} tokens left; u = ${at.uniform.toFixed(3)} falls on ${chosen}`;
    const body = shown.map((id) => {
      const by = cut.find(([, kept]) => kept && !kept[id]);
      const row = element("tr", "", id === made.token ? { class: "chosen" } : {});
      const bar = element("td", ""),
        inner = element("span", "", { class: by ? "bar gone" : "bar" });
      inner.style.width = `${100 * (by ? before[id] : made.p[id])}%`;
      bar.append(inner);
      const note = by ? `✕ ${by[0]}` : id === made.token ? "◀ chosen" : "";
      row.append(
        element("th", labels[id], { scope: "row" }),
        bar,
        element("td", made.p[id].toFixed(4)),
        element("td", note),
      );
      return row;
    });
    const head = element("tr", "");
    head.append(...["token", "from 0 to 1", "p", ""].map((name) => element("th", name, { scope: "col" })));
    table.replaceChildren(element("caption", `the ${shown.length} likeliest tokens`), head, ...body);
    drawLine(made);
  }

  function drawLine(made) {
    const parts = [];
    let rest = 0;
    made.p.forEach((p, id) => {
      if (p < 0.01 && id !== made.token) return void (rest += p);
      if (rest) parts.push([rest, "", "rest"]);
      rest = 0;
      parts.push([p, p > 0.04 ? labels[id] : "", id === made.token ? "token" : "other"]);
    });
    if (rest) parts.push([rest, "", "rest"]);
    line.replaceChildren(
      ...parts.map(([width, text, kind]) => {
        const piece = element("span", text, { class: kind });
        piece.style.width = `${100 * width}%`;
        return piece;
      }),
    );
    if (made.greedy) return;
    const mark = element("i", "▼");
    mark.style.left = `${100 * at.uniform}%`;
    line.append(mark);
  }

  root.replaceChildren(controls, said, line, table);
  root.dataset.ready = "";
  show();
}

document.querySelectorAll(".tinylm-sliders:not([data-ready])").forEach(startSliders);
