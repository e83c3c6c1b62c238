"""Numbers in text: every notation has its value, and nothing else becomes a number."""

# ruff: noqa: RUF001 - digits and marks of other scripts are what these tests are about

from __future__ import annotations

import math

import pytest
from babel import localedata
from babel.numbers import format_currency, format_decimal, format_percent
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.reading.expectations.amounts import amounts, amounts_in, notation
from uderia_bench.reading.expectations.facts import facts
from uderia_bench.reading.expectations.plain_text import plain_text

UNUSUAL = {"tok"}  # Toki Pona groups all digits by two


def readings(text):
    """Return every reading of every number in an answer."""
    return [reading for amount in amounts(plain_text(text)) for reading in amount.readings]


def has(text, value):
    """Return whether an answer states a number."""
    return any(math.isclose(reading, value, rel_tol=1e-9) for reading in readings(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # powers, footnotes and fractions that NFKC would fuse with the digits before them
        ("The answer is 42¹ (see note 1).", 42),
        ("1,234¹ rows", 1234),
        ("10² = 100", 100),
        ("10⁶", 1e6),
        ("1.2×10⁶", 1.2e6),
        ("1.2 x 10^6", 1.2e6),
        ("5·10⁻³ s", 0.005),
        ("2^10 rows", 1024),
        ("1.5e3", 1500),
        ("10 m² of space", 10),
        ("10m²", 10),
        ("CO₂: 8", 8),
        ("½ of it", 0.5),
        ("2½ hours", 2.5),
        ("3/4 of the rows", 0.75),
        ("1/2", 2),
        # groups
        ("12,34,567", 1234567),
        ("₹12,34,567.50", 1234567.5),
        ("1,2345", 12345),
        ("1.234.567.890 Zeilen", 1234567890),
        ("1_234 rows", 1234),
        ("1’234’567.89", 1234567.89),
        ("Store 1 250 orders; Store 2 310 orders", 250),
        ("Store 1 250 orders; Store 2 310 orders", 1250),
        ("counts: 120 340 560", 120),
        ("counts: 120 340 560", 120340560),
        ("hr_db,5", 5),
        # LaTeX and Markdown
        (r"\boxed{9{,}500}", 9500),
        (r"$9\,500$", 9500),
        (r"\frac{1}{4}", 0.25),
        (r"1.2 \times 10^{6}", 1.2e6),
        ("**29**.", 29),
        # signs
        ("–3 °C", -3),
        ("minus 3", -3),
        ("(1,234)", -1234),
        ("($1,234.50)", -1234.5),
        ("5 - 3 = 2", 3),
        ("10–12", 12),
        # other scripts, and characters without a form
        ("١٬٢٣٤٫٥", 1234.5),
        ("१२,३४,५६७", 1234567),
        ("３，４５６", 3456),
        ("1\u200b234", 1234),
        ("1,&#8203;234", 1234),
        ("1&#8239;234", 1234),
        # magnitudes
        ("1.5 million", 1.5e6),
        ("1.5M rows", 1.5e6),
        ("2k", 2000),
        ("1.5K rows", 1500),
        ("300K", 300),
        ("2,5 Mrd. €", 2.5e9),
        ("25 लाख", 2.5e6),
        ("3万", 30000),
        # words
        ("thirteen", 13),
        ("twenty-one tables", 21),
        ("a hundred and five", 105),
        ("two thousand three hundred", 2300),
        ("no tables", 0),
        ("There are none.", 0),
        ("a single table", 1),
        # beside letters
        ("3rd", 3),
        ("3GB", 3),
        ("v3", 3),
        ("EUR1,234.50", 1234.5),
        ("#1234", 1234),
        (".5", 0.5),
        ("75%", 75),
        ("75%", 0.75),
    ],
)
def test_a_notation_has_its_value(text, value):
    """Whatever a model writes for this value, it is found."""
    assert has(text, value), readings(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42¹", 421),
        ("10⁶", 106),
        ("10⁶", 6),
        ("2½", 21),
        ("½", 12),
        ("10 m²", 2),
        ("10-12", -12),
        ("5 minus 3", -3),
        ("(3)", -3),
        ("1,234", -1234),
        ("on 2026-11-24 at 24:00", 24),
        ("version 20.00.00.01", 20),
        ("192.168.1.10", 10),
        ("qr1 and table_7", 1),
        ("qr1 and table_7", 7),
        ("No, there are 3.", 0),
        ("no access", 0),
        ("someone", 1),
        ("weight", 8),
        ("3 musketeers", 3e6),
        ("5 km", 5000),
    ],
)
def test_what_is_not_written_is_not_found(text, value):
    """A wrong value does not pass because of the form of another one."""
    assert not has(text, value), readings(text)


@pytest.mark.no_cover
def test_every_locales_numbers_are_read():
    """Numbers as babel writes them by CLDR, in every locale and its own digits."""
    missed = []
    for locale in localedata.locale_identifiers():
        if locale.split("_")[0] in UNUSUAL:
            continue
        for value in (1234567.891, -1234.5, 0.5, 9876543210):
            text = format_decimal(value, locale=locale, numbering_system="default")
            if not has(f"x {text} y", value):
                missed.append((locale, text))
        if not has(format_percent(0.125, format="#,##0.0%", locale=locale, numbering_system="default"), 12.5):
            missed.append((locale, "12.5 %"))
        if not has(format_currency(1234567.5, "EUR", locale=locale, numbering_system="default"), 1234567.5):
            missed.append((locale, "EUR"))
    assert missed == []


@given(st.text(alphabet="0123456789.,' -+_^eE/½²₂%kM()١٬٫$€\\{}one", max_size=40))
def test_every_reading_is_a_finite_number_in_its_place(text):
    """Infinity and NaN are no readings, and a position is within the text."""
    noted = notation(plain_text(text))
    for amount in amounts_in(noted):
        assert 0 <= amount.start < amount.end <= len(noted)
        assert amount.readings
        assert all(map(math.isfinite, amount.readings))


@pytest.mark.parametrize("text", ["1e400", "9^999", "10^-999", "0^-1", "1e999", "1.5×10^999", "9" * 400])
def test_numbers_too_large_are_left_out(text):
    """A power that overflows has no reading."""
    assert all(map(math.isfinite, readings(text)))


def test_facts_have_each_number_once():
    """A fact is the likeliest reading: parts of a number and other readings of it are not facts."""
    assert facts(plain_text("1.5 million rows, 1 234 tables, 75% full, none missing")) == {"1500000", "1234", "75"}
    assert facts(plain_text("1,500,000 rows")) == facts(plain_text("1.5 million rows"))
