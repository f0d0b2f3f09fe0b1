// The step that moves every weight, with settings that can be tried.

function updateStep(app) {
  return {
    id: "update",
    group: "Training",
    title: "The update",
    lead:
      "Every weight that has a gradient moves a little. A rule of thumb asks for steps of about a thousandth of the " +
      "weights' size; a first step, without memory, is often larger. Try other settings.",
    note: "rule of thumb: Karpathy, makemore part 3",
    ops: [["AdamW", []]],
    draw(place, above) {
      const body = h("div"),
        spoken = h("p", { class: "hidden-live", role: "status" }),
        { settings } = app.training,
        recorded = app.document.training;
      const field = (name, label, value) => {
        const input = h("input", { type: "number", step: "any", min: 0, id: `set-${name}`, value });
        input.addEventListener("change", () => {
          if (!(input.valueAsNumber >= 0)) input.value = settings[name];
          settings[name] = input.valueAsNumber;
          app.updateAgain();
          refresh();
        });
        return h(
          "div",
          { class: "slider" },
          h("label", { for: `set-${name}` }, label),
          input,
          h("small", {}, `at first: ${recorded[name]}`),
        );
      };
      place.append(
        ...above,
        h(
          "div",
          { class: "sliders" },
          field("lr", "Learning rate", settings.lr),
          field("clip", "Largest norm (clip)", settings.clip),
          field("weight_decay", "Weight decay λ", settings.weight_decay),
        ),
        body,
        spoken,
      );
      const refresh = () => {
        const { pass } = app.training,
          most = Math.max(...Object.values(pass.ratios).filter(Number.isFinite));
        const after = lossWith(app.model, pass.changed, recorded.ids);
        fill(
          body,
          h(
            "p",
            { class: "result" },
            `Loss of this text: ${show(pass.loss, 6)} before, `,
            h("b", { "data-exact": after, id: "loss-after" }, show(after, 6)),
            " after the step",
          ),
          h(
            "p",
            { class: "quiet" },
            "With fresh moments m̂ / √v̂ is +1 or −1 wherever the gradient is not tiny: a first step of AdamW moves " +
              "all those weights by the whole learning rate, however large their gradients are.",
          ),
          table(
            "‖change‖ / ‖weights‖",
            ["parameter", "ratio", ""],
            Object.entries(pass.ratios).map(([name, ratio]) => [
              h("td", { class: "mono" }, name),
              numberCell(show(ratio)),
              h("td", { class: "wide" }, bar(ratio / most)),
            ]),
          ),
        );
        spoken.textContent = body.querySelector(".result").textContent;
      };
      refresh();
      return refresh;
    },
  };
}
