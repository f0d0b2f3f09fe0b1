// The operations of the model on flat arrays, each as in tinylm/ops; sums are taken in float64.
// A matrix (N, C) is an array of N·C numbers, row after row.

// y = x W + b        x: (N, I)   W: (I, O), or (O, I) when transposed   b: (O,) or null   →   y: (N, O)
function linear(x, N, W, I, O, b, transposed = false) {
  const y = new Float64Array(N * O);
  for (let n = 0; n < N; n++) {
    const row = n * O;
    if (transposed) {
      for (let o = 0; o < O; o++) {
        let sum = 0;
        for (let i = 0; i < I; i++) sum += x[n * I + i] * W[o * I + i];
        y[row + o] = sum;
      }
    } else {
      for (let i = 0; i < I; i++) {
        const xi = x[n * I + i];
        for (let o = 0; o < O; o++) y[row + o] += xi * W[i * O + o];
      }
    }
    if (b) for (let o = 0; o < O; o++) y[row + o] += b[o];
  }
  return y;
}

function added(a, b) {
  return a.map((value, i) => value + b[i]);
}

// Layer norm, or with kind "rms" root-mean-square norm, of every row.  x: (N, C)  →  {mean, rstd: (N,), xhat, y: (N,
// C)}
function normalize(x, N, C, kind, gain, bias, eps) {
  const mean = new Float64Array(N),
    rstd = new Float64Array(N);
  const xhat = new Float64Array(N * C),
    y = new Float64Array(N * C);
  for (let n = 0; n < N; n++) {
    let sum = 0,
      squares = 0;
    if (kind === "layer") for (let c = 0; c < C; c++) sum += x[n * C + c];
    mean[n] = sum / C;
    for (let c = 0; c < C; c++) squares += (x[n * C + c] - mean[n]) ** 2;
    rstd[n] = 1 / Math.sqrt(squares / C + eps);
    for (let c = 0; c < C; c++) {
      const i = n * C + c;
      xhat[i] = (x[i] - mean[n]) * rstd[n];
      y[i] = gain[c] * xhat[i] + (bias ? bias[c] : 0);
    }
  }
  return { mean, rstd, xhat, y };
}

// Φ(x), the probability that a standard normal variable is below x: the series of tinylm/ops/activation.py, by
// Clenshaw's recurrence, to 1e-14. `tail`: its coefficients, which the page brings along.
function normalCdf(x, tail) {
  const z = Math.abs(x),
    t = 1 / (1 + z / 4),
    twice = 4 * t - 2;
  let later = 0,
    latest = 0;
  for (let i = tail.length - 1; i > 0; i--) [later, latest] = [twice * later - latest + tail[i], later];
  const below = t * Math.exp((twice / 2) * later - latest + tail[0] - (z * z) / 2);
  return x < 0 ? below : 1 - below;
}

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

function logistic(x) {
  const small = Math.exp(-Math.abs(x));
  return (x >= 0 ? 1 : small) / (1 + small);
}

// How much of x an activation lets through, and the slope of x · gate(x); kind as in the model's settings.
function gateOf(x, kind, constants) {
  if (kind === "swiglu") return logistic(x);
  if (kind === "gelu_tanh") return (1 + Math.tanh(SQRT_2_OVER_PI * (x + constants.cubic * x ** 3))) / 2;
  return normalCdf(x, constants.tail);
}

function slopeOf(x, kind, constants) {
  const gate = gateOf(x, kind, constants);
  if (kind === "swiglu") return gate * (1 + x * (1 - gate));
  const bend =
    kind === "gelu_tanh"
      ? 2 * gate * (1 - gate) * SQRT_2_OVER_PI * (1 + 3 * constants.cubic * x * x)
      : Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  return gate + x * bend;
}

// Turn each pair (x[i], x[i + D/2]) of a row by the angle position · base^(−i/h), h = D/2; sign −1 turns back.
// x: (H, T, D), changed in a copy
function rotated(x, H, T, D, base, sign = 1) {
  const y = new Float64Array(x.length),
    half = D / 2;
  for (let h = 0; h < H; h++)
    for (let t = 0; t < T; t++)
      for (let i = 0; i < half; i++) {
        const angle = sign * t * base ** (-i / half),
          cos = Math.cos(angle),
          sin = Math.sin(angle);
        const at = (h * T + t) * D + i,
          a = x[at],
          b = x[at + half];
        y[at] = a * cos - b * sin;
        y[at + half] = b * cos + a * sin;
      }
  return y;
}

// Columns start … start + H·D of every row, as H heads.  x: (T, width)  →  (H, T, D)
function splitHeads(x, T, width, H, D, start) {
  const y = new Float64Array(H * T * D);
  for (let h = 0; h < H; h++)
    for (let t = 0; t < T; t++) for (let d = 0; d < D; d++) y[(h * T + t) * D + d] = x[t * width + start + h * D + d];
  return y;
}

// The heads side by side again, written into columns start … of a matrix.  x: (H, T, D)
function mergeHeads(x, T, width, H, D, start, into = new Float64Array(T * width)) {
  for (let h = 0; h < H; h++)
    for (let t = 0; t < T; t++)
      for (let d = 0; d < D; d++) into[t * width + start + h * D + d] = x[(h * T + t) * D + d];
  return into;
}

// y = p v,  pᵢⱼ = softmaxⱼ(qᵢ·kⱼ / √D) over j ≤ i
// q: (H, T, D)   k, v: (G, T, D)   →   p: (H, T, T), y: (H, T, D)
function attend(q, k, v, H, G, T, D) {
  const p = new Float64Array(H * T * T),
    y = new Float64Array(H * T * D),
    scale = 1 / Math.sqrt(D);
  for (let h = 0; h < H; h++) {
    const g = Math.floor((h * G) / H); // the key head that this head shares
    for (let i = 0; i < T; i++) {
      const row = (h * T + i) * T,
        query = (h * T + i) * D;
      let highest = -Infinity,
        total = 0;
      for (let j = 0; j <= i; j++) {
        let score = 0;
        for (let d = 0; d < D; d++) score += q[query + d] * k[(g * T + j) * D + d];
        p[row + j] = score * scale;
        highest = Math.max(highest, p[row + j]);
      }
      for (let j = 0; j <= i; j++) total += p[row + j] = Math.exp(p[row + j] - highest);
      for (let j = 0; j <= i; j++) {
        p[row + j] /= total;
        for (let d = 0; d < D; d++) y[query + d] += p[row + j] * v[(g * T + j) * D + d];
      }
    }
  }
  return { p, y };
}
