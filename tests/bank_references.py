"""Each feature of the bank again, for one channel of one segment, as plainly as can be."""

from cmath import exp as cexp
from cmath import sqrt as csqrt
from itertools import pairwise, permutations
from math import cos, exp, fsum, log, log10, pi, sin, sqrt

RATE, THRESHOLD = 1000.0, 15.0


def mean(x):
    return fsum(x) / len(x)


def variance(x):
    return mean([(v - mean(x)) ** 2 for v in x])


def steps(x):
    return [b - a for a, b in pairwise(x)]


def wl(x):
    return fsum(abs(d) for d in steps(x))


def rms(x):
    return sqrt(mean([v * v for v in x]))


def weighted(x, inside, outside):
    n = len(x)
    weights = [inside if n / 4 <= i <= 3 * n / 4 else outside(i, n) for i in range(1, n + 1)]
    return mean([w * abs(v) for w, v in zip(weights, x, strict=True)])


def central(x, power):
    return mean([(v - mean(x)) ** power for v in x])


def spectrum(x):
    n = len(x)
    bins = range(n // 2 + 1)
    parts = [
        (
            sum(v * cos(2 * pi * j * i / n) for i, v in enumerate(x)),
            sum(v * sin(2 * pi * j * i / n) for i, v in enumerate(x)),
        )
        for j in bins
    ]
    return [j * RATE / n for j in bins], [(a * a + b * b) / n**2 for a, b in parts]


def moment(x, order):
    return sum(p * f**order for f, p in zip(*spectrum(x), strict=True))


def band(x, low, high):
    return sum(p for f, p in zip(*spectrum(x), strict=True) if low <= f < high)


def mean_frequency(x):
    return moment(x, 1) / moment(x, 0)


def mdf(x):
    f, p = spectrum(x)
    return next(f[j] for j in range(len(p)) if sum(p[: j + 1]) >= sum(p) / 2)


def pkf(x):
    f, p = spectrum(x)
    return f[p.index(max(p))]


def psr(x):
    f, p = spectrum(x)
    return sum(q for g, q in zip(f, p, strict=True) if abs(g - pkf(x)) <= 20) / sum(p)


def entropy(shares):
    return -sum(p * log(p) for p in shares if p)


def spectral_entropy(x):
    _, p = spectrum(x)
    return entropy([q / sum(p) for q in p]) / log(len(p))


def standard(x):
    return [(v - mean(x)) / sqrt(variance(x)) for v in x]


def likeness(x, size, degree):
    """The sum over pairs of patterns, from as many of each size."""
    starts = range(len(x) - 2)
    patterns = [x[i : i + size] for i in starts]
    return sum(degree(patterns[i], patterns[j]) for i in starts for j in starts if i < j)


def furthest(a, b):
    return max(abs(v - w) for v, w in zip(a, b, strict=True))


def sampen(x):
    z = standard(x)
    shorter, longer = (likeness(z, m, lambda a, b: furthest(a, b) <= 0.2) for m in (2, 3))
    return -log(longer / shorter)


def fuzzyen(x):
    def degree(a, b):
        a, b = [v - mean(a) for v in a], [v - mean(b) for v in b]
        return exp(-(furthest(a, b) ** 2) / 0.2)

    shorter, longer = (likeness(standard(x), m, degree) for m in (2, 3))
    return log(shorter / longer)


def permutation_entropy(x):
    orders = [tuple(sorted(range(3), key=x[i : i + 3].__getitem__)) for i in range(len(x) - 2)]
    return entropy([orders.count(o) / len(orders) for o in permutations(range(3))]) / log(6)


def slope(x, y):
    return sum((a - mean(x)) * b for a, b in zip(x, y, strict=True)) / (len(x) * variance(x))


def higuchi(x):
    n, lengths = len(x), []
    for k in range(1, 11):
        curves = [x[m::k] for m in range(k)]
        lengths.append(mean([wl(c) * (n - 1) / ((len(c) - 1) * k) / k for c in curves]))
    return slope([-log(k) for k in range(1, 11)], [log(v) for v in lengths])


def katz(x):
    n = len(x) - 1
    return log(n) / (log(n) + log(max(abs(v - x[0]) for v in x) / wl(x)))


def dfa(x):
    profile = [fsum(standard(x)[: i + 1]) for i in range(len(x))]
    sizes = [n for n in (4, 8, 16, 32, 64) if n <= len(x) / 4]
    fluctuations = []
    for n in sizes:
        rest = []
        for start in range(0, len(x) - n + 1, n):
            y, t = profile[start : start + n], range(n)
            rest += [(v - mean(y) - slope(t, y) * (i - mean(t))) ** 2 for i, v in zip(t, y)]  # noqa: B905
        fluctuations.append(sqrt(mean(rest)))
    return slope([log(n) for n in sizes], [log(v) for v in fluctuations])


def mobility(x):
    return sqrt(variance(steps(x)) / variance(x))


def autoregressive(x):
    """Burg's method as in textbooks: a[0] = 1, the error filter, extended by its reflection."""
    a, forward, backward = [1.0], x[1:], x[:-1]
    for _ in range(4):
        pairs = list(zip(forward, backward, strict=True))
        k = -2 * sum(f * b for f, b in pairs) / sum(f * f + b * b for f, b in pairs)
        a = [u + k * v for u, v in zip([*a, 0], [0, *a[::-1]], strict=True)]
        forward = [f + k * b for f, b in pairs][1:]
        backward = [b + k * f for f, b in pairs][:-1]
    return [-v for v in a[1:]]


def cepstral(x):
    """The Fourier series of the logarithm of the model's transfer function, sampled finely."""
    a, n = autoregressive(x), 4096
    points = [2 * pi * i / n for i in range(n)]
    response = [abs(1 - sum(v * cexp(-1j * w * (p + 1)) for p, v in enumerate(a))) for w in points]
    return [
        2 * mean([-log(r) * cos(w * p) for r, w in zip(response, points, strict=True)])
        for p in range(1, 5)
    ]


def ascending(x):
    n = len(x)
    return mean([(2 * i / (n - 1) - 1) * v for i, v in enumerate(sorted(x))])


REFERENCES = {
    "mean": mean,
    "variance": variance,
    "rms": rms,
    "mav": lambda x: mean([abs(v) for v in x]),
    "mav1": lambda x: weighted(x, 1, lambda i, n: 0.5),
    "mav2": lambda x: weighted(x, 1, lambda i, n: 4 * min(i, n - i) / n),
    "mavslp": lambda x: (
        mean([abs(v) for v in x[len(x) // 2 :]]) - mean([abs(v) for v in x[: len(x) // 2]])
    ),
    "iemg": lambda x: sum(abs(v) for v in x),
    "ssi": lambda x: sum(v * v for v in x),
    "wl": wl,
    "aac": lambda x: wl(x) / len(x),
    "dasdv": lambda x: rms(steps(x)),
    "mfl": lambda x: log10(sqrt(sum(d * d for d in steps(x)))),
    "log": lambda x: exp(mean([log(abs(v)) for v in x])),
    "msr": lambda x: abs(mean([csqrt(v).real for v in x]) + 1j * mean([csqrt(v).imag for v in x])),
    "v3": lambda x: mean([abs(v) ** 3 for v in x]) ** (1 / 3),
    "tm3": lambda x: abs(mean([v**3 for v in x])),
    "tm4": lambda x: mean([v**4 for v in x]),
    "tm5": lambda x: abs(mean([v**5 for v in x])),
    "skewness": lambda x: central(x, 3) / variance(x) ** 1.5,
    "kurtosis": lambda x: central(x, 4) / variance(x) ** 2,
    "peak": lambda x: max(abs(v) for v in x),
    "lscale": ascending,
    "zc": lambda x: sum(a * b < 0 for a, b in pairwise(x)),
    "ssc": lambda x: sum(a * b < 0 for a, b in pairwise(steps(x))),
    "wamp": lambda x: sum(abs(d) > THRESHOLD for d in steps(x)),
    "myop": lambda x: mean([abs(v) > THRESHOLD for v in x]),
    "mean_frequency": mean_frequency,
    "mdf": mdf,
    "pkf": pkf,
    "ttp": lambda x: moment(x, 0),
    "mnp": lambda x: mean(spectrum(x)[1]),
    "sm1": lambda x: moment(x, 1),
    "sm2": lambda x: moment(x, 2),
    "sm3": lambda x: moment(x, 3),
    "vcf": lambda x: moment(x, 2) / moment(x, 0) - mean_frequency(x) ** 2,
    "fr": lambda x: band(x, 30, 250) / band(x, 250, 500),
    "psr": psr,
    "spectral_entropy": spectral_entropy,
    "power_20_60": lambda x: band(x, 20, 60),
    "power_60_120": lambda x: band(x, 60, 120),
    "power_120_230": lambda x: band(x, 120, 230),
    "power_230_450": lambda x: band(x, 230, 450),
    "sampen": sampen,
    "fuzzyen": fuzzyen,
    "permutation_entropy": permutation_entropy,
    "higuchi": higuchi,
    "katz": katz,
    "dfa": dfa,
    "hjorth_mobility": mobility,
    "hjorth_complexity": lambda x: mobility(steps(x)) / mobility(x),
    **{f"ar{p}": lambda x, p=p: autoregressive(x)[p - 1] for p in range(1, 5)},
    **{f"cc{p}": lambda x, p=p: cepstral(x)[p - 1] for p in range(1, 5)},
}
