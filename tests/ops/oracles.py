"""The ops once more, by loops over Python numbers and written another way; NumPy only holds the results."""

import cmath
import math
import statistics

import numpy as np


def common(*shapes):
    """The shape to which `shapes` broadcast."""
    ndim = max(len(shape) for shape in shapes)
    padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(next((n for n in sizes if n != 1), 1) for sizes in zip(*padded, strict=True))


def at(array, index):
    """The Python number that broadcasting `array` puts at `index`."""
    tail = index[len(index) - array.ndim :]
    return array[tuple(0 if n == 1 else i for i, n in zip(tail, array.shape, strict=True))].item()


def each(f, dtype=np.float64):
    """f, number by number, over arrays that broadcast."""

    def oracle(*arrays):
        out = np.empty(common(*(a.shape for a in arrays)), dtype)
        for index in np.ndindex(out.shape):
            out[index] = f(*(at(a, index) for a in arrays))
        return out

    return oracle


def along(f):
    """f, from a list to a list of the same length, along one axis."""

    def oracle(x, *, axis=-1):
        out, axis = np.empty(x.shape), axis % x.ndim
        for index in np.ndindex(x.shape[:axis] + x.shape[axis + 1 :]):
            line = [(*index[:axis], i, *index[axis:]) for i in range(x.shape[axis])]
            for place, value in zip(line, f([x[p].item() for p in line]), strict=True):
                out[place] = value
        return out

    return oracle


def over(f, dtype=np.float64):
    """f, from a list to a number, over the axes of a reduction."""

    def oracle(x, *, axis=None, keepdims=False):
        axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        gone = {a % x.ndim for a in axes}
        lists = {i: [] for i in np.ndindex(*(1 if a in gone else n for a, n in enumerate(x.shape)))}
        for index in np.ndindex(x.shape):
            lists[tuple(0 if a in gone else i for a, i in enumerate(index))].append(x[index].item())
        shape = [1 if a in gone else n for a, n in enumerate(x.shape) if keepdims or a not in gone]
        out = np.empty(len(lists), dtype)
        for place, numbers in enumerate(lists.values()):
            out[place] = f(numbers)
        return out.reshape(shape)

    return oracle


def softmax_row(row):
    return [1 / math.fsum(math.exp(b - a) for b in row) for a in row]


def log_softmax_row(row):
    return [-math.log(math.fsum(math.exp(b - a) for b in row)) for a in row]


def variance(numbers):
    """Half the mean squared difference of all pairs."""
    return math.fsum((a - b) ** 2 for a in numbers for b in numbers) / 2 / len(numbers) ** 2


def gelu(x, *, approximate="none"):
    if approximate == "none":
        return each(lambda a: a * math.erfc(-a / math.sqrt(2)) / 2)(x)
    return each(lambda a: a / (1 + math.exp(-2 * math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))))(x)


def layer_norm(x, gain, bias=None, *, eps=1e-5):
    def row(numbers):
        mean, width = statistics.fmean(numbers), math.sqrt(variance(numbers) + eps)
        return [
            (a - mean) / width * g.item() + (0.0 if bias is None else bias[i].item())
            for i, (a, g) in enumerate(zip(numbers, gain, strict=True))
        ]

    return along(row)(x)


def rms_norm(x, gain, *, eps=1e-5):
    def row(numbers):
        length = math.hypot(*numbers, math.sqrt(eps * len(numbers)))
        return [a * g.item() * math.sqrt(len(numbers)) / length for a, g in zip(numbers, gain, strict=True)]

    return along(row)(x)


def dot(row, column):
    return math.fsum(a * b for a, b in zip(row, column, strict=True))


def matmul(a, b):
    rows, columns = (a[None] if a.ndim == 1 else a), (b[:, None] if b.ndim == 1 else b)
    shape = common(rows.shape[:-2], columns.shape[:-2])
    out = np.empty((*shape, rows.shape[-2], columns.shape[-1]))
    for *where, m, n in np.ndindex(out.shape):
        ks = range(rows.shape[-1])
        terms = [at(rows, (*where, m, k)) * at(columns, (*where, k, n)) for k in ks]
        out[(*where, m, n)] = math.fsum(terms)
    return out.reshape(shape + a.shape[-2:-1] + (b.shape[-1:] if b.ndim > 1 else ()))


def linear(x, weight, bias=None, *, transposed=False):
    y = matmul(x, weight.T if transposed else weight)
    return y if bias is None else each(lambda a, b: a + b)(y, bias)


def attention(q, k, v, *, allowed=lambda where, t, s: True, gates=None, scale=None):
    """Head by head and query by query; `allowed` says whether query t of `where` may look at key s."""
    *front, T, D = q.shape
    S, E = k.shape[-2], v.shape[-1]
    factor = 1 / math.sqrt(D) if scale is None else scale
    shape = (*common(tuple(front[:-1]), k.shape[:-3]), *front[-1:])
    out = np.zeros((*shape, T, E))
    for where in np.ndindex(shape):
        key = (*where[:-1], where[-1] * k.shape[-3] // front[-1]) if where else ()
        for t in range(T):
            query = [at(q, (*where, t, d)) for d in range(D)]
            e = {
                s: math.exp(dot(query, [at(k, (*key, s, d)) for d in range(D)]) * factor)
                for s in range(S)
                if allowed(where, t, s)
            }
            for n in range(E if e else 0):
                gated = [w * (1.0 if gates is None else at(gates, (*where, t, s))) for s, w in e.items()]
                column = [at(v, (*key, s, n)) for s in e]
                out[(*where, t, n)] = dot(gated, column) / math.fsum(e.values())
    return out


def causal_attention(q, k, v, *, gates=None, scale=None):
    late = k.shape[-2] - q.shape[-2]
    return attention(q, k, v, allowed=lambda where, t, s: s <= t + late, gates=gates, scale=scale)


def rotary(x, positions, *, base=10000.0):
    """Pairs as complex numbers, turned by multiplication with e^{ia}."""
    half = x.shape[-1] // 2
    out = np.empty((*common(x.shape[:-1], positions.shape), x.shape[-1]))
    for *where, i in np.ndindex((*out.shape[:-1], half)):
        angle = at(positions, tuple(where)) / base ** (i / half)
        turned = complex(at(x, (*where, i)), at(x, (*where, i + half))) * cmath.exp(1j * angle)
        out[(*where, i)], out[(*where, i + half)] = turned.real, turned.imag
    return out


def softmax_cross_entropy(logits, targets, *, ignore_index=None, label_smoothing=0.0, reduction="mean"):
    """The cross-entropy between a smoothed one-hot distribution and softmax, position by position."""
    losses, counted = np.zeros(targets.shape), 0
    for index in np.ndindex(targets.shape):
        target = targets[index].item()
        if target == ignore_index:
            continue
        counted += 1
        surprise = [-logp for logp in log_softmax_row(logits[index].tolist())]
        share = label_smoothing / len(surprise)
        losses[index] = math.fsum((share + (1 - label_smoothing) * (i == target)) * a for i, a in enumerate(surprise))
    if reduction == "none":
        return losses
    total = math.fsum(losses.reshape(-1).tolist())
    return np.array(total if reduction == "sum" else total / counted if counted else 0.0)


def embedding(table, ids):
    out = np.empty((*ids.shape, table.shape[1]))
    for *where, c in np.ndindex(out.shape):
        out[(*where, c)] = table[ids[tuple(where)].item(), c]
    return out


def getitem(x, *, index):
    """NumPy's own indexing is the definition: the numbers of the places that it picks, looked up one by one."""
    places, numbers = np.arange(x.size).reshape(x.shape)[index], [a.item() for a in x.flat]
    out = np.empty(places.shape)
    for where in np.ndindex(places.shape):
        out[where] = numbers[places[where]]
    return out


def reshape(x, *, shape):
    out = np.empty(shape if -1 not in shape else [x.size // -math.prod(shape) if n == -1 else n for n in shape])
    for place, index in zip(np.ndindex(out.shape), np.ndindex(x.shape), strict=True):
        out[place] = x[index]
    return out


def transpose(x, *, axes=None):
    order = list(range(x.ndim))[::-1] if axes is None else [a % x.ndim for a in axes]
    out = np.empty([x.shape[a] for a in order])
    for index in np.ndindex(x.shape):
        out[tuple(index[a] for a in order)] = x[index]
    return out


def concatenate(*xs, axis=0):
    axis %= xs[0].ndim
    shape = list(xs[0].shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    out, start = np.empty(shape), 0
    for x in xs:
        for index in np.ndindex(x.shape):
            out[(*index[:axis], index[axis] + start, *index[axis + 1 :])] = x[index]
        start += x.shape[axis]
    return out


def split_heads(x, *, heads, size, start=0):
    out = np.empty((*x.shape[:-2], heads, x.shape[-2], size))
    for *where, n, t, d in np.ndindex(out.shape):
        out[(*where, n, t, d)] = x[(*where, t, start + n * size + d)]
    return out


def merge_heads(x):
    *front, N, T, D = x.shape
    out = np.empty((*front, T, N * D))
    for *where, n, t, d in np.ndindex(x.shape):
        out[(*where, t, n * D + d)] = x[(*where, n, t, d)]
    return out


def stack(*xs, axis=0):
    axis %= xs[0].ndim + 1
    out = np.empty((*xs[0].shape[:axis], len(xs), *xs[0].shape[axis:]))
    for i, x in enumerate(xs):
        for index in np.ndindex(x.shape):
            out[(*index[:axis], i, *index[axis:])] = x[index]
    return out
