// What is chosen, and what it leads to: the text, the step that is shown, the tab.

const element = (id) => document.getElementById(id);

class App {
  constructor(data, weights) {
    this.document = data;
    this.model = makeModel(data.config, weights, data);
    this.vocabulary = new Vocabulary(data.tokenizer);
    this.encode = makeEncoder(data.tokenizer);
    this.settings = { temperature: 0.8, topK: this.vocabulary.size, topP: 1, minP: 0, penalty: 1 };
    this.random = seededNumbers(data.draws.seed);
    this.weight = { name: Object.keys(weights)[0], place: null };
    this.at = { t: 0, c: 0, d: 0, j: null, m: null, v: 0, n: 0, head: 0, part: "q" };
    this.tab = "token";
    this.index = { token: 0, training: 0 };
    this.opened = matchMedia("(min-width: 44rem)").matches; // whether ops are shown whole; a phone shows their equation
    this.training = null;
    this.setIds(data.prompt.ids.slice(), data.prompt.ids.length, false);
    this.agreement = this.compare();
    const layers = Array.from({ length: data.config.n_layer }, (_, layer) => [
      ...attentionSteps(this, layer),
      ...mlpSteps(this, layer),
    ]);
    this.steps = {
      token: [
        textStep(this),
        embeddingStep(this),
        ...layers.flat(),
        ...logitsSteps(this),
        chooseStep(this),
        appendStep(this),
      ],
      training: trainingSteps(this),
    };
  }

  // ---- the text

  setIds(ids, prompted, render = true) {
    const block = this.document.config.block_size;
    this.ids = ids;
    this.prompted = prompted || ids.length; // the first so many were not appended here
    this.history = [];
    this.walk(block);
    if (render) this.render();
  }
  walk(block = this.document.config.block_size) {
    this.skipped = Math.max(0, this.ids.length - block);
    this.seen = this.ids.slice(-block);
    this.trace = forward(this.model, this.seen);
    this.at.t = this.trace.T - 1;
    this.at.j = null; // the key with the largest weight
    this.at.m = null; // the most active unit
    this.uniform = this.seededUniform();
    this.cachedLogits = new Map();
  }
  reset() {
    this.setIds(this.document.prompt.ids.slice(), this.document.prompt.ids.length);
  }
  append(id, how, goTo = null) {
    const p = choose(this.logitsAt(this.trace.T - 1), this.ids, stagesOf(this.settings, this.vocabulary.size)).p[id];
    this.history.push({ id, how, p, uniform: how === "drawn" ? this.uniform : null });
    this.ids.push(id);
    this.walk();
    if (goTo) this.goTo(goTo);
    else this.render();
  }
  takeBack() {
    this.history.pop();
    this.ids.pop();
    this.walk();
    this.render();
  }
  // The number that `tinylm sample` with the page's seed draws for the token that comes next.
  seededUniform() {
    return this.document.draws.numbers[this.ids.length - this.prompted] ?? this.random();
  }
  isPrompt() {
    const { ids } = this.document.prompt;
    return ids.length === this.ids.length && ids.every((id, i) => id === this.ids[i]);
  }
  // Logits after position t; those that Python computed where it did.
  logitsAt(t) {
    if (t === this.trace.T - 1 && this.isPrompt()) return Float64Array.from(this.document.prompt.logits);
    return this.ownLogits(t);
  }
  ownLogits(t) {
    const C = this.document.config.n_embd;
    if (!this.cachedLogits.has(t)) this.cachedLogits.set(t, logitsOf(this.model, rowOf(this.trace.norm.y, t, C), 1));
    return this.cachedLogits.get(t);
  }
  // The largest difference between the page's logits for the prompt and Python's.
  compare() {
    const own = this.ownLogits(this.trace.T - 1),
      { logits } = this.document.prompt;
    const difference = logits.reduce((most, l, i) => Math.max(most, Math.abs(l - own[i])), 0);
    return { difference, good: difference <= 1e-4 * Math.max(1, ...logits.map(Math.abs)) };
  }
  get sizes() {
    return lettersOf(
      this.document.config,
      this.tab === "token" ? this.trace.T : this.document.training.ids.length - 1,
    );
  }
  label(t) {
    return this.vocabulary.label(this.tab === "token" ? this.seen[t] : this.document.training.ids[t]);
  }

  // ---- the training step

  train() {
    const { training } = this.document,
      settings = { ...training };
    const pass = trainingStep(this.model, training.ids, settings);
    this.training = { pass, settings, difference: this.compareStep(pass, training) };
  }
  // The largest relative difference from Python's numbers: loss, gradients, new weights. What is 0 but for rounding
  // is measured by what stands around it: gradients by the norm of all, weights by the learning rate.
  compareStep(pass, { record, lr }) {
    const relative = (a, b, least) => (a === b ? 0 : Math.abs(a - b) / Math.max(Math.abs(b), least));
    const differences = [relative(pass.loss, record.loss, 1e-9), relative(pass.norm, record.norm, 1e-9)];
    for (const { name, place, gradient, after } of record.probes) {
      const { shape } = this.model.weights[name],
        at = shape.length > 1 ? place[0] * shape[1] + place[1] : place[0];
      differences.push(relative(pass.gradients[name][at], gradient, record.norm * 1e-6 + 1e-9));
      differences.push(relative(pass.changed[name].data[at], after, lr));
    }
    return Math.max(...differences);
  }
  updateAgain() {
    const { pass, settings } = this.training;
    Object.assign(pass, update(this.model, pass.gradients, pass.norm, settings));
  }

  // ---- showing

  get list() {
    return this.steps[this.tab];
  }
  get step() {
    return this.list[this.index[this.tab]];
  }
  goTo(id) {
    this.move(this.list.findIndex((step) => step.id === id));
  }
  move(index) {
    this.index[this.tab] = Math.max(0, Math.min(this.list.length - 1, index));
    this.render();
    const top = element("walk").getBoundingClientRect().top;
    if (top < 0) window.scrollBy(0, top - 8);
  }
  // A position was chosen: what depends on it is shown anew, and what has the focus keeps it.
  select(t) {
    this.at[this.tab === "token" ? "t" : "n"] = t;
    for (const chip of element("text").querySelectorAll(".chip")) {
      const chosen = Number(chip.dataset.position) === t;
      chip.setAttribute("aria-pressed", String(chosen));
      chip.tabIndex = chosen ? 0 : -1;
    }
    this.revealChip();
    this.refresh();
  }
  render() {
    const step = this.step,
      number = this.index[this.tab];
    const before = document.activeElement,
      inside = element("card").contains(before),
      same = before?.id ? `#${before.id}` : before?.dataset.value ? `[data-value="${before.dataset.value}"]` : null;
    fill(element("text"), this.textBar());
    fill(element("where"), `Step ${number + 1} of ${this.list.length}`, h("br"), `${step.group}: ${step.title}`);
    element("back").disabled = number === 0;
    element("next").disabled = number === this.list.length - 1;
    for (const item of element("outline").querySelectorAll("button"))
      if (item.dataset.step === step.id) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    const card = fill(
      element("card"),
      h("h2", { id: "card-title", tabindex: "-1" }, `${step.group}: ${step.title}`),
      h("p", { class: "lead" }, step.lead),
    );
    const above = step.ops ? [ops(step.ops.map(([name, shapes, how]) => opBox(this, name, shapes, how)))] : [];
    if (step.note) card.append(h("p", { class: "quiet source" }, step.note));
    this.refresh = step.draw(card, above);
    this.revealChip();
    // What had the focus in the card has it again; where it is gone, the card's title takes it.
    if (inside) ((same && card.querySelector(same)) || element("card-title")).focus({ preventScroll: true });
  }
  // Scroll the text, not the page, to the chosen token.
  revealChip() {
    const chip = element("text").querySelector("[aria-pressed=true]"),
      box = chip?.parentElement;
    if (box) box.scrollTop = chip.offsetTop - box.clientHeight / 2;
  }
  textBar() {
    if (this.tab === "token") {
      return chips(this.vocabulary, this.seen, this.at.t, (t) => this.select(t), {
        label: "The text; choose the position to look at",
        added: this.prompted - this.skipped,
      });
    }
    const { pass } = this.training,
      { ids } = this.document.training,
      most = Math.max(...pass.losses);
    return [
      h(
        "p",
        { class: "quiet" },
        "Under each token how surprised the model was by the next one, in nats; the stronger the colour, the more.",
      ),
      chips(this.vocabulary, ids.slice(0, -1), this.at.n, (n) => this.select(n), {
        label: "The text of the training step; choose a position",
        extra: (n) => show(pass.losses[n], 2),
        shade: (n) => pass.losses[n] / most,
      }),
    ];
  }
  outline() {
    const groups = new Map();
    this.list.forEach((step, index) => {
      if (!groups.has(step.group)) groups.set(step.group, []);
      groups.get(step.group).push(
        h(
          "li",
          {},
          button(step.title, () => this.move(index), { "data-step": step.id }),
        ),
      );
    });
    const details = h(
      "details",
      { open: matchMedia("(min-width: 62rem)").matches },
      h("summary", {}, "All steps"),
      Array.from(groups, ([group, items]) => [h("h3", {}, group), h("ol", {}, items)]),
    );
    fill(element("outline"), details);
  }
  showTab(tab) {
    this.tab = tab;
    for (const name of ["token", "training"]) {
      const button = element(`tab-${name}`);
      button.setAttribute("aria-selected", String(name === tab));
      button.tabIndex = name === tab ? 0 : -1;
    }
    element("panel").setAttribute("aria-labelledby", `tab-${tab}`);
    const go = () => {
      if (tab === "training" && !this.training) this.train();
      this.outline();
      this.render();
      document.body.dataset.tab = tab;
    };
    if (tab === "training" && !this.training) {
      fill(element("card"), h("p", { role: "status" }, "Computing the step …"));
      setTimeout(go, 30); // so that the line above is painted first
    } else go();
  }
}
