// Steps: the text as tokens, and tokens as rows of numbers.

function textStep(app) {
  return {
    id: "text",
    group: "Input",
    title: "Text to tokens",
    lead: "A model reads numbers, not letters: the tokenizer cuts the text into tokens, and each token has an id.",
    draw(place) {
      const { vocabulary } = app,
        T = app.ids.length;
      place.append(editor(app));
      if (app.skipped)
        place.append(
          h(
            "p",
            { class: "note" },
            `The model's context has room for ${many(app.document.config.block_size, "token")}: it sees the last ` +
              `${app.seen.length}, not the first ${app.skipped}, and counts positions from the first that it sees.`,
          ),
        );
      const body = h("div");
      place.append(body);
      const refresh = () =>
        fill(
          body,
          table(
            many(T, "token"),
            ["position", "token", "id", "bytes"],
            app.ids.map((id, n) => {
              const t = n - app.skipped,
                kind = vocabulary.names.has(id)
                  ? " special token"
                  : vocabulary.text(id) === null
                    ? " part of a character"
                    : "";
              return h(
                "tr",
                { class: t === app.at.t ? "chosen" : null },
                h("td", {}, t < 0 ? "not seen" : t),
                h("td", {}, tokenSpan(vocabulary, id)),
                numberCell(id),
                h(
                  "td",
                  {},
                  h("span", { class: "mono" }, vocabulary.hexText(id)),
                  h("span", { class: "quiet" }, kind),
                ),
              );
            }),
          ),
          mergesOf(app, app.seen[app.at.t]),
        );
      refresh();
      return refresh;
    },
  };
}

// How a token was put together: the merges of its bytes, the earliest learnt first.
function mergesOf(app, id) {
  const { merges } = app.document.tokenizer,
    { vocabulary } = app;
  if (!merges || vocabulary.names.has(id)) return null;
  const made = new Map(merges.map(([a, b, token], rank) => [token, { a, b, rank }])),
    rows = [];
  const visit = (token) => {
    const merge = made.get(token);
    if (!merge) return;
    visit(merge.a);
    visit(merge.b);
    rows.push({ ...merge, token });
  };
  visit(id);
  rows.sort((one, other) => one.rank - other.rank); // the tokenizer always makes the earliest learnt first
  if (!rows.length) return h("p", { class: "quiet" }, `${vocabulary.label(id)} is one byte: no merge made it.`);
  return h(
    "section",
    { class: "receipt" },
    h("h3", {}, "How ", tokenSpan(vocabulary, id), " was put together"),
    table(
      "Merges of its bytes, in the order of their making; the rank says when the tokenizer learnt it",
      ["rank", "merge", "id"],
      rows.map(({ a, b, rank, token }) => [
        numberCell(rank),
        h("td", {}, tokenSpan(vocabulary, a), " + ", tokenSpan(vocabulary, b), " → ", tokenSpan(vocabulary, token)),
        numberCell(token),
      ]),
    ),
  );
}

// Another text, where the page can encode.
function editor(app) {
  if (!app.encode)
    return h(
      "p",
      { class: "quiet" },
      "This tokenizer's splitting pattern has no form that a browser knows, so the text is fixed; tokens can be " +
        "appended.",
    );
  const area = h("textarea", { id: "edit", spellcheck: "false", rows: "3" });
  area.value = app.vocabulary.decode(app.ids);
  const problem = h("p", { class: "note", role: "alert", hidden: true });
  const use = button(
    "Walk with this text",
    () => {
      try {
        const ids = app.encode(area.value);
        if (!ids.length) throw new Error("the text is empty; the model needs at least one token to go on from");
        app.setIds(ids, 0);
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
      }
    },
    { class: "main" },
  );
  return h(
    "details",
    { class: "editor" },
    h("summary", {}, "Try another text"),
    h("label", { for: "edit", class: "quiet" }, "Text"),
    area,
    h(
      "div",
      { class: "actions" },
      use,
      button("Back to the prompt", () => app.reset()),
    ),
    problem,
  );
}

function embeddingStep(app) {
  const learned = app.document.config.position === "learned";
  return {
    id: "embed",
    group: "Input",
    title: "Embeddings",
    lead: learned
      ? "Each id picks its row of a learnt table, each position a row of another; their sum " +
        "begins the stream of features that every block reads and adds to."
      : "Each id picks its row of a learnt table. Positions come in later, as angles by which queries and keys are " +
        "turned.",
    ops: [
      [
        "embedding",
        [
          ["table", "V, C"],
          ["ids", "B, T"],
          ["y", "B, T, C"],
        ],
      ],
      ...(learned ? [["add", [["x", "B, T, C"]]]] : []),
    ],
    draw(place, above) {
      const {
        trace,
        document: {
          config: { n_embd: C },
        },
      } = app;
      const maps = [rowsMap(app, learned ? "Token rows: wte[id]" : "x = wte[id]", trace.token, C)];
      if (learned)
        maps.push(
          rowsMap(app, "Position rows: wpe[t]", trace.place, C),
          rowsMap(app, "x = token + position", trace.first, C),
        );
      return mapsAndReceipt(place, above, maps, () => {
        const { t, c } = app.at,
          i = t * C + c;
        return receipt(
          `Feature ${c} at position ${t}, ${app.label(t)}`,
          learned ? "x[t, c] = wte[id, c] + wpe[t, c]" : "x[t, c] = wte[id, c]",
          sumTable(
            "The terms",
            [],
            [
              {
                label: `wte[${app.seen[t]}, ${c}], of the token ${app.label(t)}`,
                factors: [],
                value: trace.token[i],
              },
              ...(learned
                ? [{ label: `wpe[${t}, ${c}], of position ${t}`, factors: [], value: trace.place[i] }]
                : []),
            ],
            [],
            trace.first[i],
          ),
        );
      });
    },
  };
}
