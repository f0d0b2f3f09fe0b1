// Tokens so that every one of their characters can be seen: as chips, with ids and bytes.

const VISIBLE = { " ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍" };

class Vocabulary {
  constructor({ vocab, special }) {
    this.hex = vocab;
    this.names = new Map(Object.entries(special).map(([name, id]) => [id, name]));
    this.decoder = new TextDecoder("utf-8", { fatal: true });
  }
  get size() {
    return this.hex.length;
  }
  bytes(id) {
    return bytesOf(this.hex[id] || "");
  }
  // The text of one id, or null where its bytes are not whole characters.
  text(id) {
    if (this.names.has(id)) return this.names.get(id);
    try {
      return this.hex[id] === null ? null : this.decoder.decode(this.bytes(id));
    } catch {
      return null;
    }
  }
  // The same with white space as signs and loose bytes as numbers: "·the", "⏎", "\xe2\x80".
  label(id) {
    const text = this.text(id);
    if (text === null) return this.hex[id] === null ? `#${id}` : this.hex[id].replace(/../g, "\\x$&");
    if (this.names.has(id)) return text;
    return Array.from(text, (c) => {
      if (VISIBLE[c]) return VISIBLE[c];
      return /[\p{C}\p{Z}]/u.test(c) ? `U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}` : c;
    }).join("");
  }
  hexText(id) {
    return this.hex[id] === null ? "" : this.hex[id].replace(/../g, "$& ").trim();
  }
  // The text of many ids, joined before it is decoded.
  decode(ids) {
    const bytes = ids.flatMap((id) => Array.from(this.bytes(id)));
    return new TextDecoder("utf-8").decode(Uint8Array.from(bytes));
  }
}

// A token inside a line of text or a table.
function tokenSpan(vocabulary, id) {
  return h("bdi", { class: "token", translate: "no" }, vocabulary.label(id));
}

// All tokens in a row as buttons; the chosen position is pressed. extra(t): a second line under the token, or null
function chips(
  vocabulary,
  ids,
  chosen,
  onchoose,
  { label, extra = () => null, shade = () => null, added = Infinity },
) {
  const row = ids.map((id, t) => {
    const chip = h(
      "button",
      {
        type: "button",
        class: t >= added ? "chip added" : "chip",
        "data-kind": t % 4,
        "data-position": t,
        "aria-pressed": String(t === chosen),
        tabindex: t === chosen ? "0" : "-1",
        onclick(event) {
          onchoose(t);
          if (event.detail) chip.blur(); // after a click of the mouse the arrow keys are for the steps again
        },
        "aria-label": `position ${t}: ${vocabulary.label(id)}${extra(t) === null ? "" : `, ${extra(t)}`}`,
      },
      h("bdi", { translate: "no" }, vocabulary.label(id)),
      extra(t) === null ? null : h("small", {}, extra(t)),
    );
    const strength = shade(t);
    if (strength !== null) {
      chip.style.setProperty("--shade", `${Math.round(strength * 100)}%`);
      chip.classList.add("shaded");
    }
    return chip;
  });
  const group = h("div", { class: "chips", role: "toolbar", "aria-label": label }, row);
  group.addEventListener("keydown", (event) => {
    const t = row.indexOf(event.target),
      last = row.length - 1;
    const to = { ArrowLeft: Math.max(0, t - 1), ArrowRight: Math.min(last, t + 1), Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    onchoose(to);
    row[to].focus();
  });
  return group;
}
