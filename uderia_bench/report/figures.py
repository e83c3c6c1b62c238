"""Numbers as text: units, digits that follow the interval, effects, p-values.

Functions named ``*_forms`` return the same number from the fullest form to the shortest, for a
layout to choose from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.stats.estimate import Effect, Estimate

MISSING = "\N{EM DASH}"
NO_INTERVAL = "±" + MISSING

_READABLE_RELATIVE = 10.0  # times the value: beyond ±1,000 % the unit itself is easier to read
_AS_MULTIPLE_FROM = 3.0  # "6.3x" reads better than "+530%"; below three times a percentage does
_SMALLEST_SCALED = 0.1  # "0.067k" beside "20k" is harder to read than 67 beside 20,000
_WHOLE = 9.0  # half-width that still writes whole numbers: "-30% (-54 to -6)" and not "-30% (-50 to -10)"
_THOUSAND, _MILLION = 1000.0, 1e6
_THOUSANDS = ((_MILLION, "M"), (_THOUSAND, "k"))
_FINEST = 3  # places more than an interval supports, for a number near 0 to have its digits
_MOST_PLACES = 12  # a smaller number without an interval is 0
_TEN = 10.0  # from here on a multiple is written whole
_SMALLEST_P = 0.001  # 9,999 permutations resolve 0.0001; no decision needs more than 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How to write a metric's values: multiplied by ``factor``, between ``prefix`` and ``suffix``."""

    factor: float = 1.0
    prefix: str = ""
    suffix: str = ""
    share: bool = False  # a rate: its interval is in points, not relative
    relative: bool = True


SHARE = Scale(factor=100.0, suffix="%", share=True, relative=False)
"""The scale of a share of 0..1."""
_PERCENT = Scale(suffix="%")

_STEPS = {  # unit: (from this magnitude on, factor, suffix), largest first
    "s": ((600.0, 1 / 60, "min"), (1.0, 1.0, "s"), (0.0, 1000.0, "ms")),
    "tokens": ((1e7, 1e-6, "M"), (1e4, 1e-3, "k"), (0.0, 1.0, "")),
    "usd": ((0.0, 1.0, ""),),
    "1": ((1e7, 1e-6, "M"), (1e4, 1e-3, "k"), (0.0, 1.0, "")),
}


def finite(value: float | None) -> float | None:
    """Return the value, None where it is NaN or infinite."""
    return value if value is not None and math.isfinite(value) else None


def scale_of(metric: Metric | None, *values: float | None) -> Scale:
    """Return one scale for all values of a row, so that they can be compared by eye."""
    if metric is None:
        return Scale()
    if metric.assumption is Assumption.RATE or metric.kind is bool:
        return SHARE
    sizes = [abs(v) for v in map(finite, values) if v] or [0.0]
    steps = _STEPS.get(metric.unit, ((0.0, 1.0, metric.unit if len(metric.unit) < 3 else f" {metric.unit}"),))
    fits = (step for step in steps if max(sizes) >= step[0] and min(sizes) * step[1] >= _SMALLEST_SCALED)
    _, factor, suffix = next(fits, steps[-1])
    return Scale(
        factor=factor,
        prefix="$" if metric.unit == "usd" else "",
        suffix=suffix,
        relative=metric.unit != "1" or metric.assumption is Assumption.POSITIVE,  # "1.7 calls ±0.1" needs no percentage
    )


def amount(value: float | None, scale: Scale, *, half: float | None = None) -> str:
    """Return a value in its unit. ``half``, half its interval, decides how many digits it has."""
    number = finite(value)
    if number is None:
        return MISSING
    if scale.share:
        text = f"{number:.0%}".removesuffix("%") if number in (0, 1) else f"{number * scale.factor:.1f}"
    else:
        text = _fixed(number * scale.factor, _times(half, scale.factor))
    sign = "-" if text.startswith("-") else ""
    return f"{sign}{scale.prefix}{text.removeprefix('-')}{scale.suffix}"


def estimate_forms(estimate: Estimate, scale: Scale) -> tuple[str, ...]:
    """Return ``20.1s ±6%`` and ``20.1s``.

    The half-width of a share is in points. A share of 0 or 1 has a bound in its place (``0%
    ≤14%``).
    """
    value = finite(estimate.value)
    if value is None:
        return (MISSING,)
    half = _half(value, estimate.lo, estimate.hi)
    short = amount(value, scale, half=half)
    if half is None:
        return (f"{short} {NO_INTERVAL}", short)
    if scale.share and value in (0, 1) and half > 0:
        bound = f"≤{_short(100 * half)}%" if value == 0 else f"≥{_short(100 * (1 - half))}%"
        return (f"{short} {bound}", short)
    if scale.relative and half < _READABLE_RELATIVE * abs(value):
        return (f"{short} ±{_short(100 * half / abs(value))}%", short)
    return (f"{short} ±{_short(half * scale.factor)}", short)


def effect_forms(effect: Effect, metric: Metric | None) -> tuple[str, ...]:
    """Return a difference as ``-23% (-27 to -19)``, ``-23% ±4`` and ``-23%``.

    A ratio of three or more is a multiple (``6.3x``), a smaller ratio is a percentage. The difference of
    a rate is in points, any other difference in the metric's unit. Where ± would reach below -100%, or
    to no effect although the interval does not, a short interval takes its place: ``-39% (-99..+3.6k)``,
    ``-99..+3.6k%``.
    """
    value = finite(effect.value)
    if value is None:
        return (MISSING,)
    if effect.kind == "ratio" and value >= _AS_MULTIPLE_FROM:
        return _signed_forms(value, finite(effect.lo), finite(effect.hi), "", "x", signed=False, least=0.0, none=1.0)
    value, lo, hi, scale = _as_change(value, effect, metric)
    suffix = " pts" if scale.share else scale.suffix
    least = -100.0 if effect.kind == "ratio" else -math.inf
    return _signed_forms(value, lo, hi, scale.prefix, suffix, signed=True, least=least)


def effect_words(effect: Effect, metric: Metric | None, noun: str, less: str, more: str) -> str:
    """Return an effect with its interval in words: ``84% less time (range 81% to 87%)``.

    ``less`` and ``more`` have a place for the size: ``{} less time``.
    """
    value = finite(effect.value)
    if value is None:
        return f"{noun} {MISSING}"
    if effect.kind == "ratio" and value >= _AS_MULTIPLE_FROM:
        full, *_, short = effect_forms(effect, metric)
        return full.replace(short, f"{short} the {noun}", 1).replace(f" {NO_INTERVAL}", "").replace("(", "(range ")
    value, lo, hi, scale = _as_change(value, effect, metric)
    suffix = " points" if scale.share else scale.suffix
    if not _read(_fixed(value, _coarse(value), least=1)):
        return f"equal {noun}"
    down = value < 0
    if down:
        value, lo, hi = -value, _times(hi, -1), _times(lo, -1)
    size, *ends = (None if end is None else _fixed(end, _coarse(value), least=1) for end in (value, lo, hi))
    said, other = (less, more) if down else (more, less)
    words = said.format(f"{scale.prefix}{size}{suffix}")
    low, high = (None if end is None else f"{scale.prefix}{end}" for end in ends)
    if low is None or high is None:
        return words
    if lo is not None and lo < 0:  # a minus sign would not tell which way
        way, opposite = (template.partition("{} ")[2].split()[0] for template in (said, other))
        return f"{words} (range {low.replace('-', '')}{suffix} {opposite} to {high}{suffix} {way})"
    each = "" if suffix.startswith(" ") else suffix  # as in 1 to 7 points, and 81% to 87%
    return f"{words} (range {low}{each} to {high}{suffix})"


def multiple(ratio: float) -> str:
    """Return a ratio as a multiple with two digits: ``0.15x``, ``6.7x``."""
    return f"{ratio:.2g}x" if ratio < _TEN else f"{ratio:,.0f}x"


def p_value(p: float | None) -> str:
    """Return a p-value with as many digits as a decision needs."""
    number = finite(p)
    if number is None:
        return MISSING
    if number < _SMALLEST_P:
        return f"<{_SMALLEST_P}"
    return f"{number:.3f}" if number < 0.1 else f"{number:.2f}"


def percentage(share: float | None) -> str:
    """Return a share of 0..1 as a percentage. 100% means all of them."""
    if share is None:
        return MISSING
    text = f"{100 * share:.1f}"
    if text == "100.0":
        return "100%" if share >= 1 else ">99.9%"
    return "<0.1%" if text == "0.0" and share > 0 else f"{text}%"


def _as_change(value: float, effect: Effect, metric: Metric | None) -> tuple[float, float | None, float | None, Scale]:
    """Return an effect and its interval as a difference, in percent for a ratio, with the scale to write it in."""
    lo, hi = finite(effect.lo), finite(effect.hi)
    if effect.kind == "ratio":
        return 100 * (value - 1), _change(lo), _change(hi), _PERCENT
    scale = scale_of(metric, value, lo, hi)
    return value * scale.factor, _times(lo, scale.factor), _times(hi, scale.factor), scale


def _signed_forms(
    value: float, lo: float | None, hi: float | None, prefix: str, suffix: str, *, signed: bool, least: float, none: float = 0.0
) -> tuple[str, ...]:
    """Return a signed number with its interval. ``least`` is the lowest possible value, ``none`` that of no effect."""
    sides = [abs(end - value) for end in (lo, hi) if end is not None]

    digits = min(max(sides), _WHOLE) if sides else None

    def write(end: float, prefix: str = "", *, brief: bool = False) -> str:
        text = _thousands(end) if brief and abs(end) >= _THOUSAND else _fixed(end, digits, least=1)
        sign = "-" if text.startswith("-") else "+" if signed and text != "0" else ""
        return sign + prefix + text.removeprefix("-")

    short = write(value, prefix) + suffix
    if lo is None and hi is None:
        return (f"{short} {NO_INTERVAL}", short)
    ends = " to ".join("?" if end is None else write(end) for end in (lo, hi))
    half = _half(value, lo, hi)
    if half is not None and lo is not None and hi is not None and _misleads(value, lo, hi, half, least=least, none=none):
        brief = f"{write(lo, brief=True)}..{write(hi, brief=True)}"
        return (f"{short} ({ends})", f"{short} ({brief})", f"{brief}{suffix}", short)
    return (f"{short} ({ends})", f"{short} {NO_INTERVAL if half is None else f'±{_short(half)}'}", short)


def _misleads(value: float, lo: float, hi: float, half: float, *, least: float, none: float) -> bool:
    """Whether ± would reach below what is possible, or to no effect although the interval does not."""
    written = _read(_short(half))
    return value - written <= least or ((lo - none) * (hi - none) > 0 and abs(value - none) <= written)


def _thousands(number: float) -> str:
    """Return a number from a thousand on in a short form: ``3.6k``, ``36k``, ``3.6M``."""
    size, suffix = next(step for step in _THOUSANDS if abs(number) >= step[0])
    return f"{number / size:,.{0 if abs(number) >= _TEN * size else 1}f}{suffix}"


def tokens(count: float) -> str:
    """Return a total of tokens: ``940``, ``36k``, ``3.61M``."""
    if count >= _MILLION:
        return f"{count / _MILLION:.3g}M"
    return f"{count / _THOUSAND:.0f}k" if count >= _TEN * _THOUSAND else f"{count:,.0f}"


def usd(amount: float) -> str:
    """Return a total of US dollars, with cents from one dollar on and two digits below."""
    return f"${amount:,.2f}" if amount >= 1 or not amount else f"${amount:#.2g}"


def _read(written: str) -> float:
    return float(written.replace(",", ""))


def _change(ratio: float | None) -> float | None:
    """Return a ratio as a change in percent."""
    return None if ratio is None else 100 * (ratio - 1)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _coarse(value: float) -> float:
    """Return the half-width with which ``_fixed`` writes as many digits as a sentence needs."""
    return 2.0 if abs(value) >= 2 else 0.2


def _half(value: float, lo: float | None, hi: float | None) -> float | None:
    """Return the wider side of an interval; None for an open interval."""
    low, high = finite(lo), finite(hi)
    return None if low is None or high is None else max(value - low, high - value, 0.0)


def _fixed(number: float, half: float | None, *, least: int = 2) -> str:
    """Return a number with as many digits as its interval supports, ``least`` to 4 significant digits.

    The last digit is the first digit of half the interval, or the second where the first is a 1. A
    number far smaller than that is 0.
    """
    if number == 0:
        return "0"
    first = math.floor(math.log10(abs(number)))
    places = min(2 - first, _MOST_PLACES)
    if half is not None and half > 0:
        at = math.floor(math.log10(half))
        supported = _leads_with_one(half) - at
        places = min(max(supported, min(least - 1 - first, supported + _FINEST)), 3 - first)
    rounded = round(number, places)
    text = f"{rounded:,.{max(0, places)}f}"
    return "0" if not text.strip("-0.,") else text


def _short(half: float) -> str:
    """Return a half-width with one digit, or two below 10 where the first is a 1."""
    if half <= 0:
        return "0"
    if half >= 10:
        return f"{half:,.0f}"
    at = math.floor(math.log10(half))
    return f"{half:.{max(0, _leads_with_one(half) - at)}f}"


def _leads_with_one(number: float) -> bool:
    """Whether the first digit is a 1.

    It is read from the written number, because the smallest numbers underflow.
    """
    return f"{number:e}".startswith("1")
