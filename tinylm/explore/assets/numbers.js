// Numbers as a person reads them, and the letters of the README's glossary with this model's numbers.

// Four significant digits, a true minus, powers of ten where there would be many zeros.
function show(value, digits = 4) {
  if (value === null || value === undefined) return "";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text;
  if (size >= 1e5 || size < 1e-3) {
    const [mantissa, exponent] = size.toExponential(digits - 1).split("e");
    text = `${mantissa}e${exponent.replace("+", "").replace("-", "−")}`;
  } else {
    text = size.toPrecision(digits);
    if (text.includes("e")) text = String(Math.round(size));
  }
  return value < 0 ? `−${text}` : text;
}

// With its sign, for terms of a sum.
function signed(value, digits = 4) {
  return value < 0 ? show(value, digits) : `+${show(value, digits)}`;
}

// "1 head", "2 heads", "1,024 tokens"
function many(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

function percent(share) {
  if (share === 0) return "0 %";
  const text = share * 100;
  return text < 0.01 ? "< 0.01 %" : `${text < 1 ? text.toFixed(2) : text.toFixed(1)} %`;
}

// A number that must not lose anything: all digits that tell it from its neighbours.
function exact(value) {
  return String(value).replace("-", "−");
}

function lettersOf(config, T) {
  const { n_embd: C, n_head: H, n_kv_head: G, vocab_size: V, mlp_hidden: M } = config;
  return { B: 1, T, S: T, C, H, G, D: C / H, V, M, "C + 2GD": C + 2 * G * (C / H), L: config.n_layer };
}

// "B, T, C" → "(B, T, C) = (1, 9, 128)"
function shapeText(letters, sizes) {
  const parts = letters.split(", ");
  const tail = parts.length === 1 ? "," : "";
  return `(${letters}${tail}) = (${parts.map((part) => sizes[part] ?? part).join(", ")}${tail})`;
}
