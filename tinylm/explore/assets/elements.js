// Elements made by hand. Text goes in as text nodes, never as HTML, so a token can hold anything.

// h("p", { class: "note" }, "text", h("b", {}, "more")): an element with attributes, listeners (onclick) and children.
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined));
  return element;
}

function fill(element, ...children) {
  element.replaceChildren(...children.flat(9).filter((child) => child !== null && child !== undefined));
  return element;
}

function add(element, ...children) {
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined));
}

function button(text, onclick, attributes = {}) {
  return h("button", { type: "button", onclick, ...attributes }, text);
}

// A table that scrolls inside itself where the screen is narrow. heads: texts; rows: lists of cells, or of elements
function table(caption, heads, rows, attributes = {}) {
  const cell = (content) => (content instanceof HTMLTableCellElement ? content : h("td", {}, content));
  const body = rows.map((row) => (row instanceof HTMLTableRowElement ? row : h("tr", {}, ...row.map(cell))));
  const numeric = (i) => body[0]?.cells[i]?.classList.contains("number");
  const box = h(
    "div",
    { class: "scroll", role: "region", "aria-label": caption, ...attributes },
    h(
      "table",
      {},
      h("caption", {}, caption),
      h(
        "thead",
        {},
        h("tr", {}, ...heads.map((head, i) => h("th", { scope: "col", class: numeric(i) ? "number" : null }, head))),
      ),
      h("tbody", {}, ...body),
    ),
  );
  // The keys reach it only where there is something to scroll.
  const sizes = new ResizeObserver(() => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
  sizes.observe(box);
  sizes.observe(box.firstChild);
  return box;
}

// A bar as long as the share of a whole, with its number beside it, so that length is not all that tells.
function bar(share, negative = false) {
  const inner = h("span", { class: negative ? "bar-fill negative" : "bar-fill" });
  inner.style.width = `${Math.max(0, Math.min(1, share || 0)) * 100}%`;
  return h("span", { class: "bar", "aria-hidden": "true" }, inner);
}

// Buttons of which one is chosen.
function choices(label, options, chosen, onchoose) {
  return h(
    "div",
    { class: "choices", role: "group", "aria-label": label },
    h("span", { class: "choices-label" }, label),
    options.map(([value, text]) =>
      button(text, () => onchoose(value), { "aria-pressed": String(value === chosen), "data-value": value }),
    ),
  );
}
