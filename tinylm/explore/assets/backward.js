// One training step: loss, the gradient of every weight as a sum of its uses, clipping and AdamW; as in tinylm.
//
// `uses` says for every parameter how its gradient comes about, so that a single weight's can be told as a sum:
//   {how: "linear", x: (N, I), dy: (N, O)}     dW[i, o] = Σₙ x[n, i] dy[n, o];  transposed: dW[o, i]
//   {how: "column", dy: (N, O)}                db[o] = Σₙ dy[n, o]
//   {how: "gain", x: x̂ (N, C), dy: (N, C)}     dgain[c] = Σₙ x̂[n, c] dy[n, c]
//   {how: "rows", ids: (N,), dy: (N, C)}       dtable[v, c] = Σ dy[n, c] over the n with ids[n] = v

// x, dy → dx of a normalisation
function normBackward(norm, dy, N, C, kind, gain) {
  const dx = new Float64Array(N * C);
  for (let n = 0; n < N; n++) {
    let mean = 0,
      along = 0;
    for (let c = 0; c < C; c++) {
      const i = n * C + c;
      if (kind === "layer") mean += (gain[c] * dy[i]) / C;
      along += (gain[c] * dy[i] * norm.xhat[i]) / C;
    }
    for (let c = 0; c < C; c++) {
      const i = n * C + c;
      dx[i] = norm.rstd[n] * (gain[c] * dy[i] - mean - norm.xhat[i] * along);
    }
  }
  return dx;
}

// dv = pᵀ dy,  dp = dy vᵀ,  ds = p (dp − Σ dp · p),  dq = ds k / √D,  dk = dsᵀ q / √D
function attendBackward(dy, { q, k, v, p }, H, G, T, D) {
  const dq = new Float64Array(q.length),
    dk = new Float64Array(k.length),
    dv = new Float64Array(v.length);
  const scale = 1 / Math.sqrt(D),
    dp = new Float64Array(T);
  for (let h = 0; h < H; h++) {
    const g = Math.floor((h * G) / H);
    for (let i = 0; i < T; i++) {
      const row = (h * T + i) * T,
        query = (h * T + i) * D;
      let along = 0;
      for (let j = 0; j <= i; j++) {
        const key = (g * T + j) * D;
        dp[j] = 0;
        for (let d = 0; d < D; d++) {
          dp[j] += dy[query + d] * v[key + d];
          dv[key + d] += p[row + j] * dy[query + d];
        }
        along += dp[j] * p[row + j];
      }
      for (let j = 0; j <= i; j++) {
        const key = (g * T + j) * D,
          ds = p[row + j] * (dp[j] - along) * scale;
        for (let d = 0; d < D; d++) {
          dq[query + d] += ds * k[key + d];
          dk[key + d] += ds * q[query + d];
        }
      }
    }
  }
  return { dq, dk, dv };
}

// Collects uses while the gradient flows back.
class Uses {
  constructor(model, N) {
    Object.assign(this, { model, N, uses: {} });
  }
  note(name, use) {
    if (this.model.weights[name]) (this.uses[name] ??= []).push({ name, ...use });
  }
  // dy of a linear layer → dx
  linear(name, x, dy) {
    const [I, O] = this.model.weights[`${name}.weight`].shape;
    this.note(`${name}.weight`, { how: "linear", x, dy, I, O });
    this.note(`${name}.bias`, { how: "column", dy, O });
    return linear(dy, this.N, weightOf(this.model, `${name}.weight`), O, I, null, true);
  }
  norm(name, norm, dy) {
    const { n_embd: C, norm: kind } = this.model.config;
    this.note(`${name}.weight`, { how: "gain", x: norm.xhat, dy, O: C });
    this.note(`${name}.bias`, { how: "column", dy, O: C });
    return normBackward(norm, dy, this.N, C, kind, weightOf(this.model, `${name}.weight`));
  }
}

// ids: (T + 1,)  →  {trace, targets, p: (T, V), losses: (T,), loss, dlogits: (T, V), uses}
function backward(model, ids) {
  const trace = forward(model, ids.slice(0, -1)),
    T = trace.T,
    targets = ids.slice(1);
  const { n_embd: C, vocab_size: V, n_layer: L } = model.config;
  const logits = logitsOf(model, trace.norm.y, T),
    p = new Float64Array(T * V),
    losses = new Float64Array(T);
  for (let t = 0; t < T; t++) {
    const row = logits.subarray(t * V, (t + 1) * V);
    const highest = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const log = highest + Math.log(row.reduce((sum, l) => sum + Math.exp(l - highest), 0));
    losses[t] = log - row[targets[t]];
    for (let v = 0; v < V; v++) p[t * V + v] = Math.exp(row[v] - log);
  }
  const dlogits = p.map((value) => value / T);
  for (let t = 0; t < T; t++) dlogits[t * V + targets[t]] -= 1 / T;

  const found = new Uses(model, T),
    head = headMatrix(model);
  found.note(head.transposed ? "wte.weight" : "lm_head.weight", {
    how: "linear",
    x: trace.norm.y,
    dy: dlogits,
    I: C,
    O: V,
    transposed: head.transposed,
    head: true,
  });
  let dx = linear(dlogits, T, head.data, V, C, null, !head.transposed);
  dx = found.norm("ln_f", trace.norm, dx);
  for (let layer = L - 1; layer >= 0; layer--) dx = blockBackward(model, found, layer, trace.blocks[layer], dx);
  found.note("wte.weight", { how: "rows", ids: trace.ids, dy: dx, O: C });
  found.note("wpe.weight", { how: "rows", ids: trace.ids.map((_, t) => t), dy: dx, O: C });
  return { trace, targets, p, losses, dlogits, uses: found.uses, loss: losses.reduce((a, b) => a + b, 0) / T };
}

function blockBackward(model, found, layer, kept, dy) {
  const { n_embd: C, n_head: H, n_kv_head: G, position, rope_base: base, mlp: kind } = model.config;
  const T = found.N,
    D = C / H,
    width = C + 2 * G * D,
    name = `h.${layer}`,
    swiglu = kind === "swiglu";
  const dhidden = found.linear(`${name}.mlp.c_proj`, kept.hidden, dy);
  const dactive = swiglu ? dhidden.map((d, i) => d * kept.fc[i]) : dhidden;
  const dbent = dactive.map((d, i) => d * slopeOf(kept.bent[i], kind, model.constants));
  const dfc = swiglu ? dhidden.map((d, i) => d * kept.active[i]) : dbent;
  let dnormed = found.linear(`${name}.mlp.c_fc`, kept.norm2.y, dfc);
  if (swiglu) dnormed = added(dnormed, found.linear(`${name}.mlp.c_gate`, kept.norm2.y, dbent));
  const dmiddle = added(dy, found.norm(`${name}.ln_2`, kept.norm2, dnormed));

  const dmixed = found.linear(`${name}.attn.c_proj`, kept.mixed, dmiddle);
  let { dq, dk, dv } = attendBackward(splitHeads(dmixed, T, C, H, D, 0), kept, H, G, T, D);
  if (position === "rope") [dq, dk] = [rotated(dq, H, T, D, base, -1), rotated(dk, G, T, D, base, -1)];
  const dqkv = mergeHeads(dq, T, width, H, D, 0);
  mergeHeads(dk, T, width, G, D, C, dqkv);
  mergeHeads(dv, T, width, G, D, C + G * D, dqkv);
  return added(
    dmiddle,
    found.norm(`${name}.ln_1`, kept.norm1, found.linear(`${name}.attn.c_attn`, kept.norm1.y, dqkv)),
  );
}

// The terms of one use in the gradient of the weight at `place`: [{n, x, dy, product}], one for each position.
function termsOf(use, place, N) {
  const terms = [],
    [row, column] = place;
  for (let n = 0; n < N; n++) {
    if (use.how === "rows" && use.ids[n] !== row) continue;
    const i = use.transposed ? column : row,
      o = use.transposed ? row : column;
    const x = use.how === "linear" ? use.x[n * use.I + i] : use.how === "gain" ? use.x[n * use.O + row] : null;
    const dy = use.dy[n * use.O + (use.how === "linear" ? o : use.how === "rows" ? column : row)];
    terms.push({ n, x, dy, product: x === null ? dy : x * dy });
  }
  return terms;
}

// The whole gradient of a parameter, use by use.
function gradientOf(uses, shape, N) {
  const [rows, columns = 1] = shape,
    gradient = new Float64Array(rows * columns);
  for (const use of uses) {
    for (let n = 0; n < N; n++) {
      if (use.how === "linear") {
        const a = use.transposed ? use.dy : use.x,
          b = use.transposed ? use.x : use.dy;
        for (let r = 0; r < rows; r++) {
          const value = a[n * rows + r];
          for (let c = 0; c < columns; c++) gradient[r * columns + c] += value * b[n * columns + c];
        }
      } else if (use.how === "rows") {
        for (let c = 0; c < columns; c++) gradient[use.ids[n] * columns + c] += use.dy[n * columns + c];
      } else {
        for (let r = 0; r < rows; r++) gradient[r] += use.dy[n * rows + r] * (use.x ? use.x[n * rows + r] : 1);
      }
    }
  }
  return gradient;
}
