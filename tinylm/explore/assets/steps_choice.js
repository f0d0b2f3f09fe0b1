// Steps: the sampling funnel with its sliders, and the token that is appended.

function chooseStep(app) {
  return {
    id: "choose",
    group: "Next token",
    title: "The sampling funnel",
    lead:
      "The probabilities are reshaped and cut down stage by stage; then one random number between 0 and 1 " +
      "picks the token into whose interval it falls.",
    note: "tinylm/choose.py",
    draw(place) {
      const results = h("div"),
        spoken = h("p", { class: "hidden-live", role: "status" });
      let waiting = null;
      const refresh = () => {
        fill(results, funnel(app, refresh));
        clearTimeout(waiting); // said once, when a slider has come to rest
        waiting = setTimeout(() => (spoken.textContent = results.querySelector(".result").textContent), 700);
      };
      place.append(
        h(
          "p",
          { class: "quiet" },
          `For the token after position ${app.trace.T - 1}, ${app.label(app.trace.T - 1)}. Stages, in this order: ` +
            `repetition penalty, temperature, top-k, top-p, min-p, softmax, draw. The logits are ` +
            (app.isPrompt() ? "those that tinylm computed." : "this page's own."),
        ),
        h(
          "div",
          { class: "sliders" },
          SLIDERS.map((each) => slider(each, app, refresh)),
        ),
        uniformControls(app, refresh),
        results,
        spoken,
      );
      refresh();
      return refresh;
    },
  };
}

function appendStep(app) {
  return {
    id: "append",
    group: "Next token",
    title: "Append and go on",
    lead:
      "The chosen token becomes part of the text, and the whole walk is repeated: that is all that generation " +
      "is. Here you can also take any token by hand.",
    draw(place) {
      const logits = app.logitsAt(app.trace.T - 1),
        p = choose(logits, app.ids, stagesOf(app.settings, app.vocabulary.size)).p;
      const search = h("input", { id: "search", type: "text", autocomplete: "off", spellcheck: "false" });
      const found = h("div");
      const refresh = () => {
        const wanted = search.value.toLowerCase(),
          fits = [];
        for (const { i } of strongest(p, p.length, (value) => value)) {
          const text = app.vocabulary.text(i);
          if (
            !wanted ||
            String(i) === wanted ||
            (text ?? "").toLowerCase().includes(wanted) ||
            app.vocabulary.label(i).toLowerCase().includes(wanted)
          )
            fits.push(i);
          if (fits.length === 12) break;
        }
        fill(
          found,
          table(
            wanted ? "Tokens that contain it, the likely ones first" : "The most likely tokens",
            ["token", "id", "p", ""],
            fits.map((i) => [
              h("td", {}, tokenSpan(app.vocabulary, i)),
              numberCell(i),
              numberCell(percent(p[i])),
              h(
                "td",
                {},
                button("Append", () => app.append(i, "by hand"), {
                  "data-id": i,
                  "aria-label": `append ${app.vocabulary.label(i)}`,
                }),
              ),
            ]),
          ),
        );
      };
      search.addEventListener("input", refresh);
      add(
        place,
        h("p", { class: "written mono", translate: "no" }, app.vocabulary.decode(app.ids)),
        h(
          "div",
          { class: "actions" },
          button("Choose again", () => app.goTo("choose"), { class: "main" }),
          button("Walk through it", () => app.goTo("text")),
          app.history.length ? button("Take the last token back", () => app.takeBack()) : null,
        ),
        app.history.length
          ? table(
              "Appended so far",
              ["token", "how", "u", "p"],
              app.history.map((each) => [
                h("td", {}, tokenSpan(app.vocabulary, each.id)),
                each.how,
                numberCell(each.uniform === null ? "" : each.uniform.toFixed(4)),
                numberCell(percent(each.p)),
              ]),
            )
          : null,
        h("h3", {}, "By hand"),
        h("label", { for: "search" }, "Find a token by its text or id "),
        search,
        found,
      );
      refresh();
      return () => {};
    },
  };
}
