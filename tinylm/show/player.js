for (const root of document.querySelectorAll(".tinylm-player:not(.on)")) {
  const find = (what) => root.querySelector(what), steps = [...root.querySelectorAll(".s")];
  if (!steps.length) continue;
  root.classList.add("on");
  const make = (tag, text, className) => {
    const made = document.createElement(tag);
    if (text) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const bar = find(".bar"), now = make("div", "", "now"), at = make("span", "", "at"), said = make("span", "", "said");
  const texts = Object.fromEntries([...root.querySelectorAll("dt")].map((dt) => [dt.dataset.op, dt.nextElementSibling]));
  const titleOf = (step) => step.firstElementChild.textContent;
  let here = 0;
  now.setAttribute("aria-live", "polite");
  said.setAttribute("role", "status");
  find(".panes").append(now);
  const heat = (pre) => {
    const rows = pre.textContent.split("\n").map((line) => line.split("\t")), table = make("table", "", "heat");
    const number = (text) => parseFloat(text.replace("−", "-"));
    const numbers = rows.slice(1).flatMap((row) => row.slice(1)).map(number).filter(isFinite);
    const most = Math.max(0, ...numbers.map(Math.abs));
    rows.forEach((row, i) => {
      const tr = table.insertRow();
      row.forEach((text, j) => {
        const td = make(i && j ? "td" : "th", text), value = number(text);
        if (i && j && most && isFinite(value)) {
          const share = Math.abs(value) / most, base = value < 0 ? [0, 114, 178] : [213, 94, 0];
          td.style.background = `rgba(${base},${(0.75 * share).toFixed(2)})`;
        }
        tr.append(td);
      });
    });
    pre.replaceWith(table);
  };
  const show = (place, quiet) => {
    here = Math.min(Math.max(place, 0), steps.length - 1);
    const step = steps[here], title = make("h4"), row = step.firstElementChild, body = step.lastElementChild.cloneNode(true);
    title.append(make("span", step.dataset.k, "kind"), titleOf(step).replace(/^\d+ /, ""));
    const told = texts[step.dataset.op];
    now.replaceChildren(title, ...(told ? [...told.cloneNode(true).children] : []), body);
    body.querySelectorAll(".g").forEach(heat);
    now.scrollTop = 0;
    at.textContent = `step ${step.dataset.n}: ${here + 1} of ${steps.length}`;
    root.querySelectorAll("[aria-current]").forEach((e) => e.removeAttribute("aria-current"));
    row.setAttribute("aria-current", "step");
    for (let e = step.parentElement; e !== root; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    const list = find(".out"), top = row.getBoundingClientRect().top - list.getBoundingClientRect().top;
    if (top < 20 || top > list.clientHeight - 30) list.scrollTop += top - list.clientHeight / 3;
    if (!quiet) said.textContent = "";
  };
  const past = (key) => steps.findIndex((s, i) => i > here && key(s) !== key(steps[here]));
  const before = (key) => {
    let i = Math.max(here - 1, 0);
    while (i && key(steps[i - 1]) === key(steps[i])) i--;
    return i;
  };
  const last = (place) => (place < 0 ? steps.length - 1 : place);
  const module = (s) => s.dataset.k + s.dataset.m, kind = (s) => s.dataset.k;
  const around = (fits) => {
    for (let i = 1; i <= steps.length; i++) {
      const place = (here + i) % steps.length;
      if (fits(steps[place])) return place;
    }
    return -1;
  };
  const go = (word) => {
    const bad = { nan: /\bNaN\b/, inf: /infinite/ }[word.toLowerCase()], op = (s) => s.dataset.op.split(" ").pop();
    const ways = /^\d+$/.test(word)
      ? [(s) => s.dataset.n === word]
      : bad
        ? [(s) => [...s.querySelectorAll("tr")].some((r) => /^out/.test(r.textContent) && bad.test(r.textContent))]
        : [(s) => s.dataset.k === word, (s) => titleOf(s).includes(` ${word}: `),
           (s) => titleOf(s).includes(` ${word}.`), (s) => op(s) === word];
    for (const way of ways) {
      const place = around(way);
      if (place >= 0) return show(place);
    }
    said.textContent = `no step “${word}”: a number, a module, an op, a kind, nan or inf`;
  };
  const search = (text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const all = (s) => (s.dataset.k + " " + titleOf(s) + " " + s.lastElementChild.textContent).toLowerCase();
    const place = around((s) => words.every((word) => all(s).includes(word)));
    if (!words.length || place < 0) return void (said.textContent = `no step has “${text}” in it`);
    show(place, true);
    said.textContent = `${steps.filter((s) => words.every((word) => all(s).includes(word))).length} steps have it; Enter: the next`;
  };
  const moves = { first: () => 0, back: () => here - 1, next: () => here + 1, end: () => steps.length - 1,
    module: () => last(past(module)), "module back": () => before(module), kind: () => last(past(kind)) };
  const button = (label, name, help) => {
    const made = make("button", label);
    made.type = "button";
    made.title = made.ariaLabel = help;
    made.onclick = () => show(moves[name]());
    bar.append(made);
  };
  button("|◀", "first", "first step (Home)");
  button("◀ back", "back", "the step before (←)");
  button("next ▶", "next", "the next step (→)");
  button("▶|", "end", "last step (End)");
  bar.append(at);
  button("◀ module", "module back", "the module before (Page Up)");
  button("module ▶", "module", "the next module (Page Down)");
  button("kind ▶", "kind", "where another kind of steps begins (k)");
  const field = (label, act) => {
    const made = make("input");
    made.placeholder = made.ariaLabel = label;
    made.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && made.value.trim()) act(made.value.trim());
      if (event.key === "Escape") root.focus();
    };
    bar.append(made);
    return made;
  };
  field("go to: 12, h.0, nan", go);
  const seek = field("search", search);
  bar.append(said);
  const keys = { ArrowRight: "next", ArrowLeft: "back", n: "next", p: "back", Home: "first", End: "end",
    PageDown: "module", PageUp: "module back", k: "kind" };
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "INPUT") return;
    if (event.key === "/") seek.focus();
    else if (keys[event.key]) show(moves[keys[event.key]]());
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  root.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-g]"), row = event.target.closest(".s>summary");
    if (link) go(link.dataset.g);
    else if (row) show(steps.indexOf(row.parentElement));
    else return;
    event.preventDefault();
  });
  const start = steps.findIndex((s) => s.dataset.n === root.dataset.start);
  show(Math.max(start, 0));
}
