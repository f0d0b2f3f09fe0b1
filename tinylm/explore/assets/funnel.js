// The funnel as a picture: what each stage leaves, where the number falls, the most likely tokens.

function funnel(app, refresh) {
  const V = app.vocabulary.size,
    settings = stagesOf(app.settings, V),
    logits = app.logitsAt(app.trace.T - 1);
  const made = choose(logits, app.ids, settings, app.uniform),
    scaled = probabilities(made.scaled);
  app.choice = made;
  const stages = [
    ["all tokens", null],
    ["top-k", made.topK],
    ["top-p", made.topP],
    ["min-p", made.minP],
  ];
  let left = Array.from(made.scaled.keys());
  const rows = stages
    .filter(([name, kept]) => kept || name === "all tokens")
    .map(([name, kept]) => {
      if (kept) left = left.filter((id) => kept[id]);
      const share = left.reduce((sum, id) => sum + scaled[id], 0);
      return [name, numberCell(left.length), numberCell(percent(share)), h("td", { class: "wide" }, bar(share))];
    });
  const order = strongest(made.p, 12, (value) => value).filter(({ value }) => value > 0);
  const shown =
    order.length < 12
      ? [
          ...order.map(({ i }) => i),
          ...strongest(made.scaled, 12, (value) => value)
            .map(({ i }) => i)
            .filter((i) => made.p[i] === 0),
        ].slice(0, 12)
      : order.map(({ i }) => i);
  const marks = (id) =>
    [
      ["k", made.topK],
      ["p", made.topP],
      ["m", made.minP],
    ]
      .filter(([, kept]) => kept)
      .map(([letter, kept]) => `${letter}${kept[id] ? "✓" : "✗"}`)
      .join(" ");
  const cut = made.topK || made.topP || made.minP;
  return [
    made.greedy
      ? h(
          "p",
          { class: "note" },
          "Temperature 0 is greedy: the largest logit is taken, the smaller id among equals; nothing is drawn.",
        )
      : h(
          "div",
          { class: "funnel" },
          table("What is left after each stage", ["stage", "tokens", "their share", ""], rows),
        ),
    h("h3", {}, "Laid end to end, in order of id"),
    endToEnd(app, made),
    chosenLine(app, made),
    table(
      cut
        ? "The most likely, and whether each filter lets them through (k: top-k, p: top-p, m: min-p)"
        : "The most likely",
      ["token", "logit", made.greedy ? "penalised" : "÷ temperature", ...(cut ? ["kept"] : []), "p", ""],
      shown.map((id) =>
        h(
          "tr",
          { class: id === made.token ? "chosen" : null, "data-id": id },
          h("td", {}, tokenSpan(app.vocabulary, id)),
          numberCell(show(logits[id])),
          numberCell(show(made.scaled[id])),
          ...(cut ? [h("td", { class: "mono" }, marks(id))] : []),
          numberCell(percent(made.p[id])),
          h("td", { class: "wide" }, bar(made.p[id])),
        ),
      ),
    ),
  ];
}

// The bar on which the number falls: intervals of width p in order of id; small neighbours are drawn as one.
function endToEnd(app, made) {
  const box = h("div", { class: "ends", role: "img", "aria-label": "probabilities laid end to end in order of id" });
  let rest = 0,
    count = 0;
  const piece = (width, text, kind) => {
    const part = h("span", { class: kind || (count++ % 2 ? "odd" : null), title: text }, width > 0.05 ? text : "");
    part.style.width = `${width * 100}%`;
    box.append(part);
  };
  const flush = () => {
    if (rest > 0) piece(rest, "others", "rest");
    rest = 0;
  };
  made.p.forEach((p, id) => {
    if (p < 0.004 && id !== made.token) return void (rest += p);
    flush();
    piece(p, app.vocabulary.label(id), id === made.token ? "chosen" : "");
  });
  flush();
  if (made.greedy) return box;
  const mark = h("span", { class: "mark", "data-label": `u = ${app.uniform.toFixed(4)}` });
  mark.style.left = `${app.uniform * 100}%`;
  mark.style.setProperty("--shift", app.uniform < 0.15 ? "0" : app.uniform > 0.85 ? "-100%" : "-50%");
  return h("div", { class: "ends-box" }, box, mark);
}

function chosenLine(app, made) {
  const ends = runningSums(made.p),
    id = made.token,
    end = ends[id];
  return [
    h(
      "p",
      { class: "result" },
      made.greedy
        ? "Taken: "
        : `u = ${app.uniform.toFixed(6)} falls into [${(end - made.p[id]).toFixed(6)}, ${end.toFixed(6)}): `,
      tokenSpan(app.vocabulary, id),
      ` (id ${id}, p = ${percent(made.p[id])})`,
    ),
    h(
      "div",
      { class: "actions" },
      button("Append it, and walk again", () => app.append(id, made.greedy ? "greedy" : "drawn", "text"), {
        class: "main",
        id: "append-walk",
      }),
      button("Append it, and stay here", () => app.append(id, made.greedy ? "greedy" : "drawn"), {
        id: "append-stay",
      }),
    ),
  ];
}
