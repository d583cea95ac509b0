r"""Percentages, money and quantities with units in many spellings, and others that look like them.

As in `experiments.answer_numbers`: a spelling is written from its value, a `Fraction`, and never
read back.
"""

import random
from fractions import Fraction

from experiments.answer_numbers import RAISED, Item, decimal, fraction, grouped

__all__ = ["AMOUNTS"]


def percents(draw: random.Random) -> Item:
    """A percentage; the policy `drop` lets the bare number pass for it."""
    value = Fraction(draw.randint(1, 400), draw.choice((1, 1, 2, 4)))
    s = decimal(value)
    same = {
        "plain": f"{s}%",
        "escaped": rf"{s}\%",
        "spaced": rf"{s}\,\%",
        "space": f"{s} %",
        "word": f"{s} percent",
    }
    same |= {
        "text": rf"{s}\text{{ percent}}",
        "two words": f"{s} per cent",
        "full width": f"{s}％",
        "bare": s,
    }
    same |= {"fraction": rf"{fraction(value)}\%", "named": rf"x = {s}\%"}
    different = {
        "off by one": rf"{decimal(value + 1)}\%",
        "ten times": rf"{decimal(value * 10)}\%",
        "sign flipped": rf"-{s}\%",
        "per mille": f"{s}‰",
        "per mille, in words": f"{s} per mille",
        "off by one, in words": f"{decimal(value + 1)} percent",
    }
    # Between dollars a bare "%" would begin a comment.
    words = frozenset(
        {"plain", "space", "word", "two words", "per mille, in words", "off by one, in words"}
    )
    return Item(same, different, ("math", "numeric"), words=words, unitless=frozenset({"bare"}))


def money(draw: random.Random) -> Item:
    """An amount in dollars and cents."""
    cents = draw.choice(
        (draw.randint(1, 99), draw.randint(100, 3_000_000), 100 * draw.randint(2, 30_000))
    )
    value = Fraction(cents, 100)
    amount = f"{grouped(cents // 100, ',')}.{cents % 100:02d}"
    bare = amount.replace(",", "")
    same = {
        "plain": rf"\${bare}",
        "commas": rf"\${amount}",
        "unescaped": f"${amount}",
        "dollars": f"{bare} dollars",
    }
    same |= {
        "text": rf"{bare}\text{{ dollars}}",
        "bare": bare,
        "full width": f"＄{bare}",
        "US": f"US${bare}",
    }
    same |= {r",\!": r"\$" + amount.replace(",", r",\!"), "{,}": r"\$" + amount.replace(",", "{,}")}
    if cents < 100:
        same |= {"cents": f"{cents} cents", "cents, text": rf"{cents}\text{{ cents}}"}
    if cents % 100 == 0:
        same["whole"] = rf"\${cents // 100}"
    different = {
        "a cent more": rf"\${decimal(value + Fraction(1, 100))}",
        "a dollar more": rf"\${decimal(value + 1)}",
        "ten times": rf"\${decimal(value * 10)}",
        "pounds": f"£{bare}",
        "euros": f"€{bare}",
        "euros behind": f"{bare} €",
        "yen, in words": f"{bare} yen",
        "pounds, command": rf"\pounds {bare}",
        "cents": f"{bare} cents",
        "thousands of it": rf"\${bare}\text{{ thousand}}",
        "millions of it": f"${bare} million",
        "negative": rf"-\${bare}",
    }
    units = {
        "cents",
        "cents, text",
        "pounds",
        "euros",
        "euros behind",
        "yen, in words",
        "pounds, command",
        "US",
    }
    words = {
        "unescaped",
        "dollars",
        "cents",
        "yen, in words",
        "millions of it",
        "euros behind",
        "US",
    }
    return Item(
        same,
        different,
        ("math", "numeric"),
        frozenset(units),
        frozenset(words),
        frozenset({"bare"}),
    )


UNITS = (
    # sign, in words, how many of another unit one is, units of other kinds
    ("cm", "centimeters", {"mm": Fraction(10), "m": Fraction(1, 100)}, ("kg", "seconds")),
    ("m", "meters", {"cm": Fraction(100), "km": Fraction(1, 1000)}, ("kg", "hours")),
    ("km", "kilometers", {"m": Fraction(1000)}, ("grams", "minutes")),
    ("kg", "kilograms", {"g": Fraction(1000)}, ("cm", "liters")),
    ("g", "grams", {"kg": Fraction(1, 1000), "mg": Fraction(1000)}, ("meters", "hours")),
    ("hours", "hours", {"minutes": Fraction(60), "seconds": Fraction(3600)}, ("miles", "kg")),
    ("minutes", "minutes", {"seconds": Fraction(60)}, ("feet", "liters")),
    ("feet", "feet", {"inches": Fraction(12)}, ("pounds", "hours")),
    ("days", "days", {"hours": Fraction(24)}, ("cm", "kg")),
)


def quantities(draw: random.Random) -> Item:
    """A number with a unit of length, mass or time, perhaps squared or cubed."""
    sign, word, others, kinds = draw.choice(UNITS)
    power = draw.choice((1, 1, 2, 3)) if word.endswith("meters") else 1
    value = Fraction(draw.randint(2, 900), draw.choice((1, 1, 1, 2, 10)))
    s = decimal(value)
    raised = "" if power == 1 else f"^{power}"
    before = {1: "", 2: "square ", 3: "cubic "}[power]
    same = {
        "plain": rf"{s}\text{{ {sign}}}{raised}",
        r"\,": rf"{s}\,\text{{{sign}}}{raised}",
        "unit left out": s,
    }
    same |= {
        "mathrm": rf"{s}~\mathrm{{{sign}}}{raised}",
        "textnormal": rf"{s}\textnormal{{ {sign}}}{raised}",
    }
    same |= {"in words": f"{s} {before}{word}", "words in text": rf"{s}\text{{ {before}{word}}}"}
    if power == 1:
        same |= {
            "bare": f"{s} {sign}",
            "mbox": rf"{s}\mbox{{ {sign}}}",
            "named": rf"x = {s}\text{{ {sign}}}",
        }
    else:
        same |= {"raised sign": f"{s} {sign}{str(power).translate(RAISED)}"}
    different = {
        "off by one": rf"{decimal(value + 1)}\text{{ {sign}}}{raised}",
        "off by one, bare": f"{decimal(value + 1)} {before}{word}",
        "ten times": rf"{decimal(value * 10)}\text{{ {sign}}}{raised}",
        "number off, unit left out": decimal(value + 1),
    }
    by_math = set()
    for other, factor in others.items():
        scaled = value * factor**power
        same[f"in {other}"] = rf"{decimal(scaled)}\text{{ {other}}}{raised}"
        different[f"{other} instead"] = rf"{s}\text{{ {other}}}{raised}"
        different[f"in {other}, off by one"] = rf"{decimal(scaled + 1)}\text{{ {other}}}{raised}"
        by_math |= {f"in {other}", f"{other} instead"}
    different |= {f"{kind} instead": f"{s} {kind}" for kind in kinds}
    by_math |= {f"{kind} instead" for kind in kinds}
    if power > 1:
        different |= {
            "exponent dropped": rf"{s}\text{{ {sign}}}",
            "exponent off by one": f"{s} {sign}^{5 - power}",
        }
        by_math |= {"exponent dropped", "exponent off by one"}
    words = frozenset(
        {
            "in words",
            "bare",
            "off by one, bare",
            "raised sign",
            *(f"{kind} instead" for kind in kinds),
        }
    )
    return Item(
        same,
        different,
        ("math", "numeric"),
        frozenset(by_math),
        words,
        frozenset({"unit left out"}),
    )


AMOUNTS = {"percent": percents, "money": money, "quantity with a unit": quantities}
