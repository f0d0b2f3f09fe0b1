// Steps of a block: attention weights, head by head, and mixing the values.

// The weight that gets the strongest colour: with many keys most weights are small. The first row is always 1.
function weightBound(block, head, T) {
  const seen = block.p.subarray((head * T + 1) * T, (head + 1) * T * T).filter((weight) => weight > 0);
  return T > 1 ? boundOf(seen) : 1;
}

// A small picture of each head's weights, as a button.
function headPictures(app, block) {
  const { n_head: H } = app.document.config,
    T = app.trace.T,
    colours = palette();
  return h(
    "div",
    { class: "heads", role: "group", "aria-label": "Head" },
    Array.from({ length: H }, (_, head) => {
      const canvas = h("canvas", { width: T, height: T, "aria-hidden": "true" }),
        pen = canvas.getContext("2d"),
        bound = weightBound(block, head, T);
      for (let i = 0; i < T; i++)
        for (let j = 0; j <= i; j++) {
          pen.fillStyle = colourOf(block.p[(head * T + i) * T + j] / bound, colours);
          pen.fillRect(j, i, 1, 1);
        }
      return button(
        [canvas, `head ${head}`],
        () => {
          app.at.head = head;
          app.render();
        },
        { "aria-pressed": String(head === app.at.head), "data-value": head },
      );
    }),
  );
}

function weightsStep(app, layer, group, name, kept) {
  const { n_head: H, n_kv_head: G, n_embd: C } = app.document.config,
    D = C / H;
  return {
    id: `${name}.attn.weights`,
    group,
    title: "Attention weights",
    lead:
      "Each query is compared with the keys of its own and all earlier positions; the better they match, the " +
      "larger the weight. The weights of a row add up to 1.",
    ops: [
      [
        "causal_attention",
        [
          ["q", "B, H, T, D"],
          ["k", "B, G, S, D"],
          ["p", "B, H, T, S"],
        ],
      ],
    ],
    draw(place, above) {
      const block = kept(),
        T = app.trace.T,
        head = app.at.head,
        g = Math.floor((head * G) / H);
      const side = Math.max(12, Math.min(32, Math.floor(360 / T)));
      const weight = (i, j) => block.p[(head * T + i) * T + j];
      // the chosen key, or the one that this position looks at most
      const keyAt = () =>
        app.at.j !== null && app.at.j <= app.at.t
          ? app.at.j
          : strongest(block.p.subarray((head * T + app.at.t) * T, (head * T + app.at.t + 1) * T), 1)[0].i;
      const map = heat({
        label: `Head ${head}: rows are queries, columns are keys`,
        rows: T,
        cols: T,
        share: true,
        bound: weightBound(block, head, T),
        value: (i, j) => (j > i ? null : weight(i, j)),
        height: side,
        square: side + 6,
        row: () => app.at.t,
        col: () => keyAt(),
        rowLabel: (i) => app.label(i),
        colLabel: T <= 24 ? (j) => app.label(j) : undefined,
        cellName: (i, j) => `${app.label(i)} (${i}) looks at ${app.label(j)} (${j})`,
        onselect(i, j) {
          app.at.j = j;
          app.select(i);
        },
      });
      return mapsAndReceipt(place, [above, headPictures(app, block)], [map], () => {
        const t = app.at.t,
          j = keyAt();
        const row = Array.from({ length: t + 1 }, (_, key) => weight(t, key));
        const q = block.q.subarray((head * T + t) * D, (head * T + t + 1) * D);
        const scoreOf = (key) =>
          q.reduce((sum, value, d) => sum + value * block.k[(g * T + key) * D + d], 0) / Math.sqrt(D);
        const scores = row.map((_, key) => scoreOf(key)),
          highest = Math.max(...scores);
        const listed = t < 14 ? row.map((value, i) => ({ i, value })) : strongest(row, 12);
        const terms = Array.from(q, (value, d) => {
          const key = block.k[(g * T + j) * D + d];
          return { label: `d = ${d}`, factors: [value, key], value: value * key };
        });
        const sum = terms.reduce((a, term) => a + term.value, 0),
          total = scores.reduce((a, s) => a + Math.exp(s - highest), 0);
        return [
          table(
            `Where position ${t}, ${app.label(t)}, looks${t < 14 ? "" : ": the 12 largest weights"}`,
            ["position", "token", "score", "weight", ""],
            listed.map(({ i, value }) =>
              h(
                "tr",
                { class: i === j ? "chosen" : null },
                h("td", {}, i),
                h("td", {}, tokenSpan(app.vocabulary, app.seen[i])),
                numberCell(show(scores[i])),
                numberCell(value.toFixed(4)),
                h("td", { class: "wide" }, bar(value)),
              ),
            ),
          ),
          receipt(
            `The weight of ${app.label(j)} (${j}) for ${app.label(t)} (${t}), head ${head}`,
            `p = exp(score − highest) / Σ = ${show(Math.exp(scores[j] - highest))} / ${show(total)} = ` +
              `${show(weight(t, j), 6)}`,
            sumTable(
              `score = Σ q[d] · k[d] / √D`,
              ["q", "k"],
              terms,
              [
                ["the sum, Σ q · k", show(sum)],
                [`times 1 / √${D}`, show(1 / Math.sqrt(D))],
              ],
              scores[j],
            ),
          ),
        ];
      });
    },
  };
}

function mixingStep(app, layer, group, name, kept) {
  const { n_head: H, n_kv_head: G, n_embd: C } = app.document.config,
    D = C / H;
  return {
    id: `${name}.attn.mix`,
    group,
    title: "Mixing the values",
    lead: "Each head's answer is the average of the values, weighted by its attention weights.",
    ops: [
      [
        "causal_attention",
        [
          ["p", "B, H, T, S"],
          ["v", "B, G, S, D"],
          ["y", "B, H, T, D"],
        ],
      ],
      [
        "merge_heads",
        [
          ["x", "B, H, T, D"],
          ["y", "B, T, C"],
        ],
      ],
    ],
    draw(place, above) {
      const block = kept(),
        T = app.trace.T,
        head = app.at.head,
        g = Math.floor((head * G) / H);
      const values = block.v.subarray(g * T * D, (g + 1) * T * D),
        answers = block.heads.subarray(head * T * D, (head + 1) * T * D);
      const maps = [
        rowsMap(app, `Values v, head ${g}`, values, D, { key: "d" }),
        rowsMap(app, `Answers y = p v, head ${head}`, answers, D, { key: "d" }),
      ];
      return mapsAndReceipt(place, [above, chooseHead(app)], maps, () => {
        const t = app.at.t,
          d = Math.min(app.at.d, D - 1);
        const terms = Array.from({ length: t + 1 }, (_, j) => {
          const p = block.p[(head * T + t) * T + j],
            v = values[j * D + d];
          return { label: [tokenSpan(app.vocabulary, app.seen[j]), ` ${j}`], factors: [p, v], value: p * v };
        });
        return receipt(
          `y[${d}] at position ${t}, ${app.label(t)}, head ${head}`,
          "y[d] = Σⱼ p[j] · v[j, d]",
          sumTable("The terms, one for each position it sees", ["p", "v"], terms, [], answers[t * D + d]),
        );
      });
    },
  };
}
