// Steps of a block's second half: the hidden units, and what they add.

function mlpSteps(app, layer) {
  const group = `Block ${layer}`,
    name = `h.${layer}`,
    kept = () => app.trace.blocks[layer];
  return [
    normStep(app, {
      id: `${name}.ln_2`,
      group,
      title: "Norm 2",
      name: `${name}.ln_2`,
      input: () => kept().middle,
      norm: () => kept().norm2,
      lead: "The same again before the second half of the block, with a gain of its own.",
    }),
    hiddenStep(app, group, name, kept),
    residualStep(app, {
      id: `${name}.mlp.c_proj`,
      group,
      title: "What the MLP adds",
      layer: `${name}.mlp.c_proj`,
      letters: "M",
      input: () => kept().hidden,
      width: app.document.config.mlp_hidden,
      output: () => kept().mlp,
      before: () => kept().middle,
      after: () => kept().y,
      names: ["hidden", "W"],
      lead: "Each active hidden unit adds its own row of the matrix to the stream, as strongly as it is active.",
    }),
  ];
}

function hiddenStep(app, group, name, kept) {
  const { n_embd: C, mlp_hidden: M, mlp: kind } = app.document.config,
    swiglu = kind === "swiglu";
  return {
    id: `${name}.mlp.hidden`,
    group,
    title: "MLP: hidden units",
    lead:
      "Now every position thinks for itself: a wider row of hidden units, each of which answers to one " +
      "direction of the features and stays near 0 for the others.",
    ops: [
      [
        "linear",
        [
          ["x", "B, T, C"],
          ["W", "C, M"],
          ["u", "B, T, M"],
        ],
      ],
      ...(swiglu
        ? [
            ["silu", [["gate", "B, T, M"]]],
            ["multiply", [["hidden", "B, T, M"]]],
          ]
        : [["gelu", [["hidden", "B, T, M"]]]]),
    ],
    draw(place, above) {
      const body = h("div"),
        block = kept();
      place.append(...above, body);
      let drawn = null,
        map;
      const refresh = () => {
        const { t } = app.at,
          hidden = rowOf(block.hidden, t, M),
          most = strongest(hidden, 8),
          m = app.at.m ?? most[0].i;
        if (drawn !== t) {
          map = strip({
            label: `The ${M} hidden units at position ${t}, ${app.label(t)}`,
            values: hidden,
            name: "unit",
            at: () => app.at.m ?? strongest(hidden, 1)[0].i,
            onselect: (unit) => {
              app.at.m = unit;
              app.select(app.at.t);
            },
          });
          drawn = t;
        }
        if (body.firstChild !== map.element) fill(body, map.element, h("div"), h("div"));
        map.refresh();
        fill(
          body.children[1],
          table(
            "The most active units",
            ["unit", swiglu ? "silu(gate) · u" : "gelu(u)", ""],
            most.map(({ i, value }) =>
              h(
                "tr",
                { class: i === m ? "chosen" : null },
                h(
                  "td",
                  {},
                  button(`unit ${i}`, () => {
                    app.at.m = i;
                    app.select(app.at.t);
                  }),
                ),
                numberCell(show(value)),
                h("td", { class: "wide" }, bar(Math.abs(value / most[0].value), value < 0)),
              ),
            ),
          ),
        );
        fill(body.children[2], unitReceipt(app, name, block, t, m));
      };
      refresh();
      return refresh;
    },
  };
}

function unitReceipt(app, name, block, t, m) {
  const { n_embd: C, mlp_hidden: M, mlp: kind } = app.document.config,
    i = t * M + m,
    x = rowOf(block.norm2.y, t, C);
  const u = block.bent[i],
    gate = gateOf(u, kind, app.model.constants),
    swiglu = kind === "swiglu";
  const first = layerReceipt(
    app,
    `Unit ${m} at position ${t}, ${app.label(t)}: ${swiglu ? "the gate" : "before the bend"}`,
    `${swiglu ? "gate" : "u"} = Σᵢ x[i] · W[i, ${m}]`,
    `${name}.mlp.${swiglu ? "c_gate" : "c_fc"}`,
    x,
    m,
    u,
  );
  const bend = receipt(
    swiglu ? "Through silu, times u" : "Through the bend",
    swiglu
      ? `gate · σ(gate) · u = ${show(u)} · ${show(gate)} · ${show(block.fc[i])} = ${show(block.hidden[i], 6)}`
      : `u · ${kind === "gelu" ? "Φ(u)" : "gate(u)"} = ${show(u)} · ${show(gate)} = ${show(block.hidden[i], 6)}`,
    curve(u, (value) => value * gateOf(value, kind, app.model.constants), swiglu ? "silu" : "gelu"),
  );
  return swiglu
    ? [
        first,
        layerReceipt(
          app,
          `Unit ${m}: u, which the gate multiplies`,
          `u = Σᵢ x[i] · W[i, ${m}]`,
          `${name}.mlp.c_fc`,
          x,
          m,
          block.fc[i],
        ),
        bend,
      ]
    : [first, bend];
}

// The bend as a curve, with the point where this unit is.
function curve(u, bend, name) {
  const make = (tag, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text) element.textContent = text;
    return element;
  };
  const far = Math.max(3, Math.min(8, Math.abs(u) * 1.2)),
    x = (v) => 30 + ((v + far) / (2 * far)) * 320;
  const y = (v) => 150 - ((v + far * 0.15) / (far * 1.15)) * 135,
    points = [];
  for (let i = 0; i <= 80; i++) points.push(-far + (2 * far * i) / 80);
  const at = Math.max(-far, Math.min(far, u));
  const svg = make("svg", {
    viewBox: "0 0 380 170",
    class: "curve",
    role: "img",
    "aria-label": `${name}(${show(u)}) = ${show(bend(u))}`,
  });
  svg.append(
    make("line", { x1: x(-far), x2: x(far), y1: y(0), y2: y(0) }),
    make("line", { x1: x(0), x2: x(0), y1: 10, y2: 155 }),
    make("path", { d: "M" + points.map((v) => `${x(v).toFixed(1)} ${y(bend(v)).toFixed(1)}`).join("L") }),
    make("circle", { cx: x(at), cy: y(bend(at)), r: 5 }),
    make("text", { x: x(far) - 8, y: y(0) + 14 }, "u"),
    make("text", { x: x(0) + 5, y: 18 }, `${name}(u)`),
    make("text", { x: x(-far), y: y(0) + 14 }, show(-far, 2)),
    make("text", { x: x(far) - 30, y: y(0) + 14 }, show(far, 2)),
  );
  return svg;
}
