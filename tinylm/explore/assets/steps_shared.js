// Steps that come again and again: a norm, and what a part of a block adds to the stream.

// A norm: id and group, which parameters, what goes in, what came out.
function normStep(app, { id, group, title, lead, name, input, norm }) {
  const kind = app.document.config.norm === "layer" ? "layer_norm" : "rms_norm";
  return {
    id,
    group,
    title,
    lead,
    ops: [
      [
        kind,
        [
          ["x", "B, T, C"],
          ["gain", "C"],
          ["y", "B, T, C"],
        ],
      ],
    ],
    draw(place, above) {
      const C = app.document.config.n_embd,
        x = input(),
        result = norm();
      return mapsAndReceipt(
        place,
        above,
        [rowsMap(app, "x, before", x, C), rowsMap(app, "y, after", result.y, C)],
        () => normReceipt(app, name, result, x, app.at.t, app.at.c),
      );
    },
  };
}

// What a part of a block adds to the stream: a projection, then the sum.
function residualStep(app, { id, group, title, lead, layer, letters, input, width, output, before, after, names }) {
  return {
    id,
    group,
    title,
    lead,
    ops: [
      [
        "linear",
        [
          ["x", `B, T, ${letters}`],
          ["W", `${letters}, C`],
          ["y", "B, T, C"],
        ],
      ],
      ["add", [["x", "B, T, C"]]],
    ],
    draw(place, above) {
      const C = app.document.config.n_embd,
        out = output(),
        x = before(),
        y = after();
      return mapsAndReceipt(
        place,
        above,
        [
          rowsMap(app, "What is added: x W" + (weightOf(app.model, `${layer}.bias`) ? " + b" : ""), out, C),
          rowsMap(app, "The stream afterwards", y, C),
        ],
        () => {
          const { t, c } = app.at,
            i = t * C + c;
          return [
            layerReceipt(
              app,
              `Feature ${c} at position ${t}, ${app.label(t)}`,
              `y[c] = Σᵢ x[i] · W[i, c]`,
              layer,
              rowOf(input(), t, width),
              c,
              out[i],
              names,
            ),
            residualReceipt(t, c, x[i], out[i], y[i]),
          ];
        },
      );
    },
  };
}
