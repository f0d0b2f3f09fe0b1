// The choice of one token from one row of logits: tinylm/choose.py, stage by stage, with its order and its rules of
// ties.

// The sum of an array as NumPy takes it: eight running sums in blocks of up to 128, halves above
// (numpy/_core/src/umath/loops_utils.h.src, pairwise sum). So equal probabilities are equal here and there.
function numpySum(a, start = 0, n = a.length) {
  if (n < 8) {
    let sum = n ? a[start] : 0;
    for (let i = 1; i < n; i++) sum += a[start + i];
    return sum;
  }
  if (n <= 128) {
    const r = Array.from(a.slice(start, start + 8));
    let i = 8;
    for (; i < n - (n % 8); i += 8) for (let j = 0; j < 8; j++) r[j] += a[start + i + j];
    let sum = r[0] + r[1] + (r[2] + r[3]) + (r[4] + r[5] + (r[6] + r[7]));
    for (; i < n; i++) sum += a[start + i];
    return sum;
  }
  let half = Math.floor(n / 2);
  half -= half % 8;
  return numpySum(a, start, half) + numpySum(a, start + half, n - half);
}

function largest(a) {
  return a.reduce((x, y) => Math.max(x, y), -Infinity);
}

// Softmax of one row, where −∞ means never.
function probabilities(logits) {
  const highest = largest(logits),
    e = logits.map((l) => Math.exp(l - highest)),
    total = numpySum(e);
  return e.map((value) => value / total);
}

// Ids that occurred: their logit divided by the penalty where positive, else multiplied. Keskar et al. 2019
function penalizeRepetition(logits, seen, penalty) {
  const result = logits.slice();
  for (const id of new Set(seen)) result[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
  return result;
}

// The k largest; among equal ones the smaller id comes first.
function keepTopK(logits, k) {
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  const kept = new Uint8Array(logits.length);
  for (const id of order.slice(0, k)) kept[id] = 1;
  return kept;
}

// The nucleus: the fewest most likely ids whose probabilities add up to at least topP. Holtzman et al. 2020
function keepTopP(p, topP) {
  const enough = (1 - topP) / (2 * p.length),
    kept = new Uint8Array(p.length);
  const order = Array.from(p.keys())
    .filter((i) => p[i] >= enough)
    .sort((a, b) => p[b] - p[a] || a - b);
  let sum = 0;
  order.forEach((id, place) => {
    sum += p[id];
    if (place === 0 || sum - p[id] < topP) kept[id] = 1;
  });
  return kept;
}

// At least minP times the largest. Nguyen et al. 2024
function keepMinP(p, minP) {
  const least = minP * largest(p);
  return Uint8Array.from(p, (value) => (value >= least ? 1 : 0));
}

// The id into whose interval the number falls, when the probabilities are laid end to end in order of id.
function pick(p, uniform) {
  const ends = runningSums(p),
    wanted = uniform * ends[ends.length - 1];
  let token = 0;
  while (token < p.length && ends[token] <= wanted) token++;
  if (token < p.length) return token;
  for (token = p.length - 1; !p[token];) token--; // rounding may leave no end above the number
  return token;
}

function runningSums(p) {
  let sum = 0;
  return p.map((value) => (sum += value));
}

function masked(logits, kept) {
  return kept ? logits.map((l, i) => (kept[i] ? l : -Infinity)) : logits;
}

// All stages. settings: temperature, topK, topP, minP, penalty; null (1 for the penalty) leaves a stage out.
// →  {penalized, scaled, topK, topP, minP, p, token}; token is null until a uniform number is given, unless greedy
function choose(logits, seen, settings, uniform = null) {
  const { temperature, penalty } = settings;
  const penalized = penalty === 1 ? logits : penalizeRepetition(logits, seen, penalty);
  if (temperature === 0) {
    const token = penalized.indexOf(largest(penalized));
    const p = new Float64Array(logits.length);
    p[token] = 1;
    return { greedy: true, penalized, scaled: penalized, topK: null, topP: null, minP: null, p, token };
  }
  const scaled = penalized.map((l) => l / temperature);
  let left = scaled;
  const topK = settings.topK === null ? null : keepTopK(left, settings.topK);
  left = masked(left, topK);
  const topP = settings.topP === null ? null : keepTopP(probabilities(left), settings.topP);
  left = masked(left, topP);
  const minP = settings.minP === null ? null : keepMinP(probabilities(left), settings.minP);
  left = masked(left, minP);
  const p = probabilities(left);
  return { greedy: false, penalized, scaled, topK, topP, minP, p, token: uniform === null ? null : pick(p, uniform) };
}

// Numbers for after those that came with the page: mulberry32, T. Ettinger 2017, public domain.
function seededNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
