// The whole forward pass of tinylm/gpt.py, keeping every array by name; knows nothing of the page.

// The weight `name` as a flat array, or null where the model has none.
function weightOf(model, name) {
  return model.weights[name] ? model.weights[name].data : null;
}

// What a page's data and weights are as a model: {config, weights, constants}.
function makeModel(config, weights, document) {
  return { config, weights, constants: { tail: document.normal_tail, cubic: document.gelu_cubic } };
}

function applyNorm(model, name, x, N) {
  const { n_embd: C, norm, norm_eps: eps } = model.config;
  return normalize(x, N, C, norm, weightOf(model, `${name}.weight`), weightOf(model, `${name}.bias`), eps);
}

function applyLinear(model, name, x, N) {
  const [I, O] = model.weights[`${name}.weight`].shape;
  return linear(x, N, weightOf(model, `${name}.weight`), I, O, weightOf(model, `${name}.bias`));
}

// ids: (T,) → everything that was computed on the way, but the logits, which logitsOf makes of single rows.
function forward(model, ids) {
  const { n_embd: C, position } = model.config,
    T = ids.length;
  const wte = weightOf(model, "wte.weight"),
    wpe = weightOf(model, "wpe.weight");
  const token = new Float64Array(T * C),
    place = position === "learned" ? new Float64Array(T * C) : null;
  for (let t = 0; t < T; t++)
    for (let c = 0; c < C; c++) {
      token[t * C + c] = wte[ids[t] * C + c];
      if (place) place[t * C + c] = wpe[t * C + c];
    }
  const first = place ? added(token, place) : token;
  const blocks = [];
  let x = first;
  for (let layer = 0; layer < model.config.n_layer; layer++) {
    blocks.push(block(model, layer, x, T));
    x = blocks[layer].y;
  }
  return { ids, T, token, place, first, blocks, last: x, norm: applyNorm(model, "ln_f", x, T) };
}

function block(model, layer, x, T) {
  const { n_embd: C, n_head: H, n_kv_head: G, position, rope_base: base, mlp: kind } = model.config;
  const D = C / H,
    width = C + 2 * G * D,
    name = `h.${layer}`;
  const norm1 = applyNorm(model, `${name}.ln_1`, x, T);
  const qkv = applyLinear(model, `${name}.attn.c_attn`, norm1.y, T);
  const unturned = { q: splitHeads(qkv, T, width, H, D, 0), k: splitHeads(qkv, T, width, G, D, C) };
  const v = splitHeads(qkv, T, width, G, D, C + G * D);
  const turn = position === "rope";
  const q = turn ? rotated(unturned.q, H, T, D, base) : unturned.q;
  const k = turn ? rotated(unturned.k, G, T, D, base) : unturned.k;
  const { p, y: heads } = attend(q, k, v, H, G, T, D);
  const mixed = mergeHeads(heads, T, C, H, D, 0);
  const attention = applyLinear(model, `${name}.attn.c_proj`, mixed, T);
  const middle = added(x, attention);
  const norm2 = applyNorm(model, `${name}.ln_2`, middle, T);
  const fc = applyLinear(model, `${name}.mlp.c_fc`, norm2.y, T);
  // what goes through the bend
  const bent = kind === "swiglu" ? applyLinear(model, `${name}.mlp.c_gate`, norm2.y, T) : fc;
  const active = bent.map((u) => u * gateOf(u, kind, model.constants));
  const hidden = kind === "swiglu" ? active.map((a, i) => a * fc[i]) : active;
  const mlp = applyLinear(model, `${name}.mlp.c_proj`, hidden, T);
  return {
    x,
    norm1,
    qkv,
    unturned,
    q,
    k,
    v,
    p,
    heads,
    mixed,
    attention,
    middle,
    norm2,
    fc,
    bent,
    active,
    hidden,
    mlp,
    y: added(middle, mlp),
  };
}

// The matrix that makes logits: {data, transposed}; a tied one is the table of embeddings, (V, C).
function headMatrix(model) {
  const tied = model.config.tie_weights;
  return { data: weightOf(model, tied ? "wte.weight" : "lm_head.weight"), transposed: tied };
}

// Logits of N rows of features that have been through the last norm.  x: (N, C)  →  (N, V)
function logitsOf(model, x, N) {
  const { n_embd: C, vocab_size: V } = model.config,
    head = headMatrix(model);
  return linear(x, N, head.data, C, V, null, head.transposed);
}

// The logit lens (nostalgebraist 2020): the logits that the last norm and the head make of the features after each
// block.
// →   one (V,) for the embeddings and one for each block
function lens(model, trace, t) {
  const C = model.config.n_embd;
  return [trace.first, ...trace.blocks.map((b) => b.y)].map((x) => {
    const row = x.slice(t * C, (t + 1) * C);
    return logitsOf(model, applyNorm(model, "ln_f", row, 1).y, 1);
  });
}

function softmax(logits) {
  const highest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const e = logits.map((l) => Math.exp(l - highest));
  const total = e.reduce((a, b) => a + b, 0);
  return e.map((value) => value / total);
}
