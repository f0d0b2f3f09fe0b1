// The page itself: it unpacks the weights, builds the steps and listens to mouse and keys.

function listen(app) {
  element("skip").addEventListener("click", () => element("card-title").focus());
  element("back").addEventListener("click", () => app.move(app.index[app.tab] - 1));
  element("next").addEventListener("click", () => app.move(app.index[app.tab] + 1));
  const tabs = [element("tab-token"), element("tab-training")];
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => app.showTab(tab.id.slice(4)));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: 1 - i, ArrowRight: 1 - i, Home: 0, End: 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      tabs[to].focus();
      app.showTab(tabs[to].id.slice(4));
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("input, select, textarea, canvas")) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key],
      box = event.target.closest(".scroll");
    if (!by || (box && box.scrollWidth > box.clientWidth)) return; // there the keys scroll the table
    event.preventDefault();
    app.move(app.index[app.tab] + by);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => app.render());
}

async function start() {
  const data = JSON.parse(element("data").textContent),
    note = element("agreement");
  if (typeof DecompressionStream === "undefined") {
    note.className = "bad";
    note.textContent = "This browser cannot unpack the weights (no DecompressionStream): use one from 2023 or later.";
    return;
  }
  const app = new App(data, await unpack(data.weights, element("weights").textContent, data.dtype));
  const { n_layer: L, n_head: H, n_embd: C } = data.config;
  element("facts").textContent =
    `Run “${data.name}”: ${many(L, "block")} of ${many(H, "head")}, ${many(C, "feature")}, ` +
    `a vocabulary of ${many(app.vocabulary.size, "token")}, ${many(data.parameters, "weight")}`;
  document.title = `${data.name}: one model, step by step`;
  const { good, difference } = app.agreement;
  note.className = good ? "good" : "bad";
  note.textContent = good
    ? `✓ This page computes the model itself; its logits agree with tinylm's to ${show(difference, 1)}.`
    : `⚠ This page's logits differ from tinylm's by ${show(difference, 2)}: do not trust what it shows.`;
  if (!good) note.setAttribute("role", "alert");
  listen(app);
  app.outline();
  app.render();
  // For the console: tinylm.app.trace, tinylm.choose(tinylm.app.logitsAt(0), [], {...}) and so on.
  window.tinylm = {
    app,
    forward,
    logitsOf,
    choose,
    keepTopK,
    keepTopP,
    keepMinP,
    pick,
    probabilities,
    penalizeRepetition,
    gateOf,
    trainingStep,
  };
  document.body.dataset.ready = "yes";
}

start().catch((problem) => {
  element("agreement").className = "bad";
  element("agreement").textContent = `The page could not be built: ${problem.message}`;
  throw problem;
});
