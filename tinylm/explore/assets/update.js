// From gradients to new weights: clipping and a first step of AdamW.

// The numbers of one weight in a first step of AdamW (m = v = 0, t = 1), in the order of tinylm/optim/adamw.py.
function adamw(before, gradient, settings, decays) {
  const {
      lr,
      betas: [beta1, beta2],
      eps,
      scale,
    } = settings,
    decay = decays ? settings.weight_decay : 0;
  const g = gradient * scale;
  const m = (1 - beta1) * g,
    v = (1 - beta2) * g * g;
  const mhat = m / (1 - beta1),
    vhat = v / (1 - beta2);
  const decayed = lr * decay * before,
    moved = (lr * mhat) / (Math.sqrt(vhat) + eps);
  return { gradient, g, m, v, mhat, vhat, before, decay, decayed, moved, after: before - decayed - moved };
}

// All gradients, their norms, and the weights after the step.  settings: lr, betas, eps, weight_decay, clip
function trainingStep(model, ids, settings) {
  const pass = backward(model, ids),
    gradients = {},
    norms = {};
  let squares = 0;
  for (const [name, { shape }] of Object.entries(model.weights)) {
    gradients[name] = gradientOf(pass.uses[name] || [], shape, pass.trace.T);
    const square = gradients[name].reduce((sum, g) => sum + g * g, 0);
    norms[name] = Math.sqrt(square);
    squares += square;
  }
  const norm = Math.sqrt(squares);
  return { ...pass, gradients, norms, norm, ...update(model, gradients, norm, settings) };
}

// The part of a step that depends on its settings: clip factor, new weights, ‖change‖ / ‖weights‖.
function update(model, gradients, norm, settings) {
  const scale = Math.min(1, settings.clip / (norm + 1e-6)),
    scaled = { ...settings, scale },
    changed = {},
    ratios = {};
  for (const [name, { shape, data }] of Object.entries(model.weights)) {
    const after = new Float64Array(data.length);
    let moved = 0,
      size = 0;
    for (let i = 0; i < data.length; i++) {
      after[i] = adamw(data[i], gradients[name][i], scaled, shape.length >= 2).after;
      moved += (after[i] - data[i]) ** 2;
      size += data[i] ** 2;
    }
    changed[name] = { shape, data: after };
    ratios[name] = moved ? Math.sqrt(moved / size) : 0; // ∞ where all weights were 0
  }
  return { scale, changed, ratios };
}

// The mean loss of a text under other weights.
function lossWith(model, weights, ids) {
  const other = { ...model, weights },
    trace = forward(other, ids.slice(0, -1)),
    V = model.config.vocab_size;
  const logits = logitsOf(other, trace.norm.y, trace.T);
  let total = 0;
  for (let t = 0; t < trace.T; t++) {
    const row = logits.subarray(t * V, (t + 1) * V),
      highest = row.reduce((a, b) => Math.max(a, b), -Infinity);
    total += highest + Math.log(row.reduce((s, l) => s + Math.exp(l - highest), 0)) - row[ids[t + 1]];
  }
  return total / trace.T;
}
