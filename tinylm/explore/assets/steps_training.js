// Steps of the second tab: loss, gradient of the logits, gradients of all weights, the update.

function trainingSteps(app) {
  return [lossStep(app), surpriseStep(app), gradientStep(app), weightStep(app), updateStep(app)];
}

function lossStep(app) {
  const { origin, ids } = app.document.training;
  return {
    id: "loss",
    group: "Training",
    title: "Loss at every position",
    lead:
      "At every position the model predicts the next token, all in one forward pass; the loss says how " +
      "surprised it was by the token that came.",
    ops: [
      [
        "softmax_cross_entropy",
        [
          ["logits", "B, T, V"],
          ["targets", "B, T"],
        ],
      ],
    ],
    draw(place, above) {
      const { pass } = app.training,
        { record } = app.document.training,
        V = app.vocabulary.size;
      const body = h("div");
      place.append(
        h(
          "p",
          {},
          `This is the first step of a fine-tuning on a text of ${ids.length} tokens (${origin}), with fresh moments: `,
          "m = v = 0 and t = 1. It is not a continuation of the run, whose optimizer had a memory of many steps. " +
            "Without dropout.",
        ),
        trainingNote(app.training.difference),
        ...above,
        h(
          "p",
          { class: "result" },
          `Mean loss: ${show(pass.loss, 6)} nats (${show(Math.exp(pass.loss))} equally likely tokens would give as ` +
            `much)`,
        ),
        body,
      );
      const refresh = () => {
        const t = app.at.n,
          p = pass.p.subarray(t * V, (t + 1) * V);
        fill(
          body,
          receipt(
            `Position ${t}: after ${app.label(t)} came ${app.vocabulary.label(pass.targets[t])}`,
            `loss = −ln p = −ln ${show(p[pass.targets[t]], 6)} = ${show(pass.losses[t], 6)} nats`,
            table(
              "What the model expected",
              ["token", "p", ""],
              strongest(p, 5).map(({ i, value }) =>
                h(
                  "tr",
                  { class: i === pass.targets[t] ? "chosen" : null },
                  h("td", {}, tokenSpan(app.vocabulary, i)),
                  numberCell(percent(value)),
                  h("td", { class: "wide" }, bar(value)),
                ),
              ),
            ),
          ),
          table(
            "All positions",
            ["position", "after", "came", "p", "loss", ""],
            Array.from(pass.losses, (loss, n) =>
              h(
                "tr",
                { class: n === t ? "chosen" : null },
                h("td", {}, n),
                h("td", {}, tokenSpan(app.vocabulary, ids[n])),
                h("td", {}, tokenSpan(app.vocabulary, pass.targets[n])),
                numberCell(percent(Math.exp(-loss))),
                numberCell(show(loss), { "data-exact": loss, "data-recorded": record.losses[n] }),
                h("td", { class: "wide" }, bar(loss / Math.max(...pass.losses))),
              ),
            ),
          ),
        );
      };
      refresh();
      return refresh;
    },
  };
}

function trainingNote(difference) {
  const good = difference <= 1e-6;
  return h(
    "p",
    { id: "training-agreement", class: good ? "quiet" : "note", role: good ? null : "alert" },
    good
      ? `✓ The page computed it in float64 from the weights; tinylm's numbers, also in float64, agree to ` +
          `${show(difference, 1)}.`
      : `⚠ The page's numbers for this step differ from tinylm's by ${show(difference, 2)} relative: do not trust ` +
          `them.`,
  );
}

function surpriseStep(app) {
  return {
    id: "dlogits",
    group: "Training",
    title: "Gradient of the logits",
    lead:
      "Backward begins here: each logit is pushed down by its probability, and that of the token that came is " +
      "pushed up.",
    ops: [["softmax_cross_entropy", [["dlogits", "B, T, V"]], { backward: true }]],
    draw(place, above) {
      const { pass } = app.training,
        V = app.vocabulary.size,
        T = pass.trace.T,
        body = h("div");
      place.append(...above, body);
      const refresh = () => {
        const t = app.at.n,
          row = pass.dlogits.subarray(t * V, (t + 1) * V),
          target = pass.targets[t];
        const most = Math.abs(strongest(row, 1)[0].value);
        fill(
          body,
          table(
            `Position ${t}, after ${app.label(t)}: the largest of ${V} numbers, which add up to 0`,
            ["token", "p", "dlogit", ""],
            strongest(row, 10).map(({ i, value }) =>
              h(
                "tr",
                { class: i === target ? "chosen" : null },
                h("td", {}, tokenSpan(app.vocabulary, i), i === target ? " ←" : ""),
                numberCell(percent(pass.p[t * V + i])),
                numberCell(signed(value)),
                h("td", { class: "wide" }, bar(Math.abs(value) / most, value < 0)),
              ),
            ),
          ),
          h(
            "p",
            { class: "quiet" },
            `dlogit = (p − 1 for the token that came) / T, T = ${T}: the loss is the mean over ${T} positions. A ` +
              `negative gradient means: a larger logit would ` +
              `make the loss smaller.`,
          ),
        );
      };
      refresh();
      return refresh;
    },
  };
}

function gradientStep(app) {
  return {
    id: "gradients",
    group: "Training",
    title: "Gradients of all weights",
    lead:
      "The gradient flows back through every op; each parameter gets a gradient of its own shape. If all of " +
      "them together are too large, all are scaled down.",
    ops: [["clip_grad_norm", []]],
    draw(place, above) {
      const { pass, settings } = app.training,
        most = Math.max(...Object.values(pass.norms));
      place.append(
        ...above,
        receipt(
          "Clipping",
          `factor = min(1, ${exact(settings.clip)} / (${show(pass.norm, 6)} + 1e-6)) = ${show(pass.scale, 6)}`,
          h(
            "p",
            {},
            pass.scale < 1
              ? "The norm of all gradients together is above the limit: every gradient is multiplied by the factor."
              : "The norm is below the limit: nothing changes.",
          ),
        ),
        table(
          "Norm of each parameter's gradient, before clipping",
          ["parameter", "‖gradient‖", ""],
          Object.entries(pass.norms).map(([name, norm]) =>
            h(
              "tr",
              {},
              h(
                "td",
                {},
                button(
                  name,
                  () => {
                    app.weight.name = name;
                    app.weight.place = null;
                    app.goTo("weight");
                  },
                  { class: "mono" },
                ),
                h("small", { class: "mono quiet" }, ` (${app.model.weights[name].shape.join(", ")})`),
              ),
              numberCell(show(norm), { "data-norm": name, "data-exact": norm }),
              h("td", { class: "wide" }, bar(norm / most)),
            ),
          ),
        ),
      );
      return () => {};
    },
  };
}
