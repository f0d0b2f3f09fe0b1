// Steps after the blocks: the last norm, the logits, and what each layer would have said.

function logitsSteps(app) {
  return [
    normStep(app, {
      id: "ln_f",
      group: "Output",
      title: "Last norm",
      name: "ln_f",
      input: () => app.trace.last,
      norm: () => app.trace.norm,
      lead:
        "After the last block the stream is brought to one scale once more, so that it can be compared with " +
        "every token.",
    }),
    logitStep(app),
    lensStep(app),
  ];
}

function logitStep(app) {
  const { n_embd: C, vocab_size: V, tie_weights: tied } = app.document.config;
  return {
    id: "logits",
    group: "Output",
    title: "Logits",
    lead:
      `Every token of the vocabulary gets a score: how well its ` +
      `${tied ? "own embedding" : "column of the output matrix"} fits the features at this position. Softmax makes ` +
      `probabilities of the scores.`,
    ops: [
      [
        "linear",
        [
          ["x", "B, T, C"],
          [tied ? "W = wteᵀ" : "W", "C, V"],
          ["logits", "B, T, V"],
        ],
        { remark: "The output matrix has no bias: no b." },
      ],
      ["softmax", [["p", "B, T, V"]]],
    ],
    draw(place, above) {
      const body = h("div");
      place.append(...above, body);
      const refresh = () => {
        const { t } = app.at,
          logits = app.logitsAt(t),
          p = probabilities(logits),
          head = headMatrix(app.model);
        const top = strongest(logits, 12, (value) => value);
        if (!top.some(({ i }) => i === app.at.v)) app.at.v = top[0].i;
        const v = app.at.v,
          x = rowOf(app.trace.norm.y, t, C);
        const last = t === app.trace.T - 1;
        fill(
          body,
          table(
            `What may follow ${app.label(t)}: the 12 largest ` +
              `logits${last ? "" : " (the text goes on with " + app.label(t + 1) + ")"}`,
            ["token", "id", "logit", "probability", ""],
            top.map(({ i, value }) =>
              h(
                "tr",
                { class: i === v ? "chosen" : null },
                h(
                  "td",
                  {},
                  button(
                    tokenSpan(app.vocabulary, i),
                    () => {
                      app.at.v = i;
                      refresh();
                    },
                    { "aria-label": `the sum for ${app.vocabulary.label(i)}` },
                  ),
                ),
                numberCell(i),
                numberCell(show(value)),
                numberCell(percent(p[i])),
                h("td", { class: "wide" }, bar(p[i])),
              ),
            ),
          ),
          linearReceipt(
            `The logit of ${app.vocabulary.label(v)} after position ${t}`,
            `logit = Σᵢ x[i] · W[i, ${v}]`,
            x,
            (i) => (head.transposed ? head.data[v * C + i] : head.data[i * V + v]),
            null,
            logits[v],
          ),
        );
      };
      refresh();
      return refresh;
    },
  };
}

function lensStep(app) {
  return {
    id: "lens",
    group: "Output",
    title: "Logit lens",
    lead:
      "What would the model say if it stopped after this layer? The last norm and the output matrix are " +
      "applied to the stream as it stood there.",
    note: "nostalgebraist 2020",
    draw(place) {
      const body = h("div");
      place.append(body);
      const refresh = () => {
        const { t } = app.at,
          layers = lens(app.model, app.trace, t).map(probabilities),
          final = layers[layers.length - 1];
        const winner = strongest(final, 1)[0].i;
        fill(
          body,
          table(
            `After position ${t}, ${app.label(t)}`,
            ["after", `probability of ${app.vocabulary.label(winner)}`, "the five most likely"],
            layers.map((p, layer) => [
              layer === 0 ? "embeddings" : `block ${layer - 1}`,
              h("td", {}, h("span", { class: "mono" }, percent(p[winner])), bar(p[winner])),
              h(
                "td",
                { class: "likely" },
                strongest(p, 5).map(({ i, value }) =>
                  h(
                    "span",
                    { class: i === winner ? "guess winner" : "guess" },
                    tokenSpan(app.vocabulary, i),
                    ` ${percent(value)} `,
                  ),
                ),
              ),
            ]),
          ),
        );
      };
      refresh();
      return refresh;
    },
  };
}
