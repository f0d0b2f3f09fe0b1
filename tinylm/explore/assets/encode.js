// Text to ids in the page, for patterns that JavaScript can spell; knows nothing of the model.

// White space as Python's `regex` module means it (the property White_Space); JavaScript's \s has another list.
const SPACE = "\\u0009-\\u000d\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const PLAIN = "'s|'t|'re|'ve|'m|'ll|'d"; // English contractions
const EITHER = "'(?:[sSſtTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"; // in either case, ſ being an s
// The patterns of tokenizer/patterns.py in JavaScript's words. Where those say ++ or ?+, which never give back what
// they took, a plain + or ? cuts alike: what follows could not use what was given back.
const llama3 = (digits) =>
  `${EITHER}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^${SPACE}\\p{L}\\p{N}]+[\\r\\n]*|` +
  `[${SPACE}]*[\\r\\n]+|[${SPACE}]+(?![^${SPACE}])|[${SPACE}]+`;
const SPLITS = {
  gpt2: `${PLAIN}| ?\\p{L}+| ?\\p{N}+| ?[^${SPACE}\\p{L}\\p{N}]+|[${SPACE}]+(?![^${SPACE}])|[${SPACE}]+`,
  gpt4:
    `${EITHER}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^${SPACE}\\p{L}\\p{N}]+[\\r\\n]*|` +
    `[${SPACE}]+$|[${SPACE}]*[\\r\\n]|[${SPACE}]+(?![^${SPACE}])|[${SPACE}]`,
  llama3: llama3("\\p{N}{1,3}"),
  qwen2: llama3("\\p{N}"),
  smollm2: `${PLAIN}| ?\\p{L}+|\\p{N}| ?[^${SPACE}\\p{L}\\p{N}]+|[${SPACE}]+(?![^${SPACE}\\p{N}])|[${SPACE}]+`,
};

function bytesOf(hex) {
  return Uint8Array.from(hex.match(/../g) || [], (pair) => parseInt(pair, 16));
}

// One pre-token, as ids of its bytes: always the pair of lowest rank first, the leftmost of its kind.
function mergeWord(ids, ranks) {
  const word = Array.from(ids);
  for (;;) {
    let best = null,
      at = -1;
    for (let i = 0; i + 1 < word.length; i++) {
      const merge = ranks.get(`${word[i]} ${word[i + 1]}`);
      if (merge && (best === null || merge.rank < best.rank)) [best, at] = [merge, i];
    }
    if (best === null) return word;
    word.splice(at, 2, best.token);
  }
}

// A function text → ids that equals the tokenizer's, or null where the page cannot say how it splits text.
// Special tokens in the text count as one id each. It throws an Error for a character that has no id.
function makeEncoder(tokenizer) {
  const ids = new Map(); // bytes in hexadecimal → id
  const special = new Set(Object.values(tokenizer.special));
  tokenizer.vocab.forEach((hex, id) => hex !== null && !special.has(id) && ids.set(hex, id));
  const utf8 = (text) => new TextEncoder().encode(text);
  const hexOf = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  let ordinary;
  if (tokenizer.kind === "char") {
    ordinary = (text) =>
      Array.from(text, (character) => {
        const id = ids.get(hexOf(utf8(character)));
        if (id === undefined) throw new Error(`the model's text had no character ${JSON.stringify(character)}`);
        return id;
      });
  } else {
    if (!SPLITS[tokenizer.pattern] || tokenizer.whole) return null;
    const pattern = new RegExp(SPLITS[tokenizer.pattern], "gu");
    const ranks = new Map(tokenizer.merges.map(([a, b, token], rank) => [`${a} ${b}`, { rank, token }]));
    const byteIds = Array.from({ length: 256 }, (_, b) => ids.get(b.toString(16).padStart(2, "0")));
    ordinary = (text) =>
      (text.match(pattern) || []).flatMap((word) =>
        mergeWord(
          Array.from(utf8(word), (b) => byteIds[b]),
          ranks,
        ),
      );
  }
  const names = Object.keys(tokenizer.special).sort((a, b) => b.length - a.length);
  const escaped = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const splitter = names.length ? new RegExp(`(${escaped.join("|")})`, "u") : null;
  return (text) => {
    if (/[\ud800-\udfff]/u.test(text)) throw new Error("the text holds half of a character (a lone surrogate)");
    const parts = splitter ? text.split(splitter) : [text];
    return parts.flatMap((part) =>
      Object.hasOwn(tokenizer.special, part) ? [tokenizer.special[part]] : ordinary(part),
    );
  };
}
