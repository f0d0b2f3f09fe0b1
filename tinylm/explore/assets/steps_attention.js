// Steps of a block's first half: queries, keys and values; attention weights; mixing the values.

function attentionSteps(app, layer) {
  const group = `Block ${layer}`,
    name = `h.${layer}`,
    kept = () => app.trace.blocks[layer];
  return [
    normStep(app, {
      id: `${name}.ln_1`,
      group,
      title: "Norm 1",
      name: `${name}.ln_1`,
      input: () => kept().x,
      norm: () => kept().norm1,
      lead:
        "Before attention every position's features are brought to the same scale, so that no block has to " +
        "cope with large ones.",
    }),
    projectionStep(app, layer, group, name, kept),
    weightsStep(app, layer, group, name, kept),
    mixingStep(app, layer, group, name, kept),
    residualStep(app, {
      id: `${name}.attn.c_proj`,
      group,
      title: "What attention adds",
      layer: `${name}.attn.c_proj`,
      letters: "C",
      input: () => kept().mixed,
      width: app.document.config.n_embd,
      output: () => kept().attention,
      before: () => kept().x,
      after: () => kept().middle,
      names: ["heads", "W"],
      lead:
        "The answers of all heads, side by side, go through one more matrix, and the result is added to what " +
        "was there.",
    }),
  ];
}

function projectionStep(app, layer, group, name, kept) {
  const { n_head: H, n_kv_head: G, n_embd: C, position } = app.document.config,
    D = C / H,
    rope = position === "rope";
  const groups = G === 1 ? "one key head" : `each of the ${G} key heads`;
  const shared = H === G ? "" : ` ${H / G} query heads share ${groups} and its values.`;
  return {
    id: `${name}.attn.qkv`,
    group,
    title: "Queries, keys, values",
    lead:
      `From its features each position makes a query (what it looks for), a key (what it offers) and a value ` +
      `(what it passes on), for each head.${shared}`,
    ops: [
      [
        "linear",
        [
          ["x", "B, T, C"],
          ["W", "C, C + 2GD"],
          ["y", "B, T, C + 2GD"],
        ],
      ],
      [
        "split_heads",
        [
          ["q", "B, H, T, D"],
          ["k, v", "B, G, T, D"],
        ],
      ],
      ...(rope
        ? [
            [
              "rotary",
              [
                ["q", "B, H, T, D"],
                ["k", "B, G, T, D"],
              ],
            ],
          ]
        : []),
    ],
    draw(place, above) {
      const block = kept(),
        T = app.trace.T,
        g = Math.floor((app.at.head * G) / H);
      const of = { q: app.at.head, k: g, v: g };
      const head = (part) => block[part].subarray(of[part] * T * D, (of[part] + 1) * T * D);
      const titles = { q: "Queries", k: "Keys", v: "Values" };
      const maps = ["q", "k", "v"].map((part) =>
        rowsMap(
          app,
          `${titles[part]} ${part}, head ${of[part]}${rope && part !== "v" ? ", turned" : ""}`,
          head(part),
          D,
          { key: "d", name: `${part},`, onselect: () => (app.at.part = part) },
        ),
      );
      return mapsAndReceipt(place, [above, chooseHead(app)], maps, () => {
        const { t, part } = app.at,
          d = Math.min(app.at.d, D - 1);
        const start = { q: 0, k: C, v: C + G * D }[part] + of[part] * D;
        const turned = rope && part !== "v",
          before = block.unturned[part] || block.v;
        const made = layerReceipt(
          app,
          `${part}[${d}] at position ${t}, ${app.label(t)}, head ${of[part]}`,
          `column ${start + d} of W: Σᵢ x[i] · W[i, ${start + d}]`,
          `${name}.attn.c_attn`,
          rowOf(block.norm1.y, t, C),
          start + d,
          before[(of[part] * T + t) * D + d],
        );
        return turned ? [made, rotationReceipt(app, before, block[part], of[part], t, d, T, D)] : made;
      });
    },
  };
}

function rotationReceipt(app, before, after, head, t, d, T, D) {
  const half = D / 2,
    i = d % half,
    at = (head * T + t) * D,
    base = app.document.config.rope_base;
  const angle = t * base ** (-i / half),
    first = before[at + i],
    second = before[at + i + half];
  const [a, b] = d < half ? [first, -second] : [second, first];
  return receipt(
    `The same number, turned by position ${t}`,
    `angle = ${t} · ${base}^(−${i}/${half}) = ${show(angle)} rad`,
    sumTable(
      "The pair turned",
      ["x", "cos or sin"],
      [
        { label: `feature ${d}`, factors: [a, Math.cos(angle)], value: a * Math.cos(angle) },
        {
          label: `feature ${d < half ? i + half : i}, its partner`,
          factors: [b, Math.sin(angle)],
          value: b * Math.sin(angle),
        },
      ],
      [],
      after[at + d],
    ),
  );
}
