r"""Numbers in many spellings, and other numbers that look like them: what
`experiments.answer_pairs` draws from.

Each family draws one value. Every value is a `Fraction`, or whole numbers, made here; a spelling is
written from its value and never read back, so that the truth about two spellings does not depend on
the code under test.
"""

import random
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Item", "NUMBERS", "decimal", "fraction", "grouped", "in_words", "root_free"]

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen".split()
)
SMALL += "seventeen eighteen nineteen".split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
FULL_WIDTH = str.maketrans("0123456789.-", "０１２３４５６７８９．－")
RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
GLYPHS = {
    Fraction(1, 2): "½",
    Fraction(1, 3): "⅓",
    Fraction(2, 3): "⅔",
    Fraction(1, 4): "¼",
    Fraction(3, 4): "¾",
    Fraction(1, 8): "⅛",
}


@dataclass(frozen=True)
class Item:
    """One value in several spellings, and spellings of other values."""

    same: dict[str, str]
    """By style; the first is the plain one."""
    different: dict[str, str]
    """By what was done to the value, or to what is said of it."""
    verifiers: tuple[str, ...] = ("math",)
    """Who must be able to judge it."""
    by_math: frozenset[str] = frozenset()
    """Styles and changes that `Numeric` does not look at by its policy: other units, algebra."""
    words: frozenset[str] = frozenset()
    """Styles that are words, or mix them with signs: no mathematics to be put between dollars."""
    unitless: frozenset[str] = frozenset()
    """Styles that leave the unit out, which passes beside the plain style, whose unit the question
    named."""
    plain_only: frozenset[str] = frozenset()
    """Changes that are other answers beside the plain style: in another letter, where a style may
    name none."""
    several: bool = True
    """Whether "this or that" is another answer: of two inequalities it may be one of them."""


SAID_IN_WORDS = frozenset({"dozen", "doubled", "and a half"})


def integers(draw: random.Random) -> Item:
    """A whole number of one to eight digits."""
    n = draw.choice((1, 1, -1)) * draw.randrange(3, 10 ** draw.randint(1, 8))
    s = str(n)
    same = {
        "plain": s,
        "point zero": f"{s}.0",
        "full width": s.translate(FULL_WIDTH),
        "named": f"x = {s}",
    }
    same |= {"named by two points": f"AB = {s}"} if n > 0 else {"minus sign": s.replace("-", "−")}
    if abs(n) > 999:
        separators = {
            "comma": ",", "{,}": "{,}", r",\!": r",\!", r"\,": r"\,", "thin space": "\u2009",
            "no-break space": "\u00a0", r"comma, \! and space": r",\! ", "full-width comma": "，",
        }  # fmt: skip
        same |= {f"thousands by {name}": grouped(n, mark) for name, mark in separators.items()}
    other = {
        "off by one": n + draw.choice((1, -1)),
        "sign flipped": -n,
        "ten times": 10 * n,
        "digits swapped": swapped_digits(n),
        "a digit less": int(s[:-1]) if abs(n) > 9 else n + 2,
        "squared": n * n,
    }
    different = {name: str(value) for name, value in other.items() if value != n}
    different |= {
        "exponent added": f"({s})^{{2}}",
        "factor added": rf"3 \cdot {s.lstrip('-')}",
        "a letter": f"{s}x",
    }
    if n > 999:
        groups = grouped(n, ",").split(",")
        if groups != (backwards := groups[::-1]):
            different["thousands as a list"] = ", ".join(backwards)
            different["thousands as a set"] = rf"\{{{', '.join(backwards)}\}}"
    different |= said_of(s, positive=n > 0)
    return Item(
        same, different, ("math", "numeric"), frozenset({"named by two points"}), SAID_IN_WORDS
    )


def decimals(draw: random.Random) -> Item:
    """A decimal of one to four places."""
    places = draw.randint(1, 4)
    scaled = draw.randrange(1, 10 ** draw.randint(places, places + 3)) * 10 + draw.randint(1, 9)
    value = Fraction(draw.choice((1, 1, -1)) * scaled, 10 ** (places + 1))
    s = decimal(value)
    same = {
        "plain": s,
        "zero behind": f"{s}0",
        "full width": s.translate(FULL_WIDTH),
        "named": f"x = {s}",
    }
    same |= {"fraction": fraction(value), "slash": f"{value.numerator}/{value.denominator}"}
    if abs(value) < 1:
        same["no zero before"] = s.replace("0.", ".", 1)
    if abs(value) >= 1000:
        whole, part = s.split(".")
        same |= {"thousands by comma": f"{grouped(int(whole), ',')}.{part}"}
        same |= {r"thousands by ,\!": grouped(int(whole), r",\!") + f".{part}"}
    last = Fraction(1, 10 ** (places + 1))
    different = {
        "last place": decimal(value + last * draw.choice((1, -1))),
        "point moved": decimal(value * 10),
        "sign flipped": decimal(-value),
        "rounded": decimal(Fraction(round(value * 10**places), 10**places)),
        "digits added": f"{s}3",
        "dots added": rf"{s}\ldots",
        "inverse": fraction(1 / value),
    }
    different = {name: text for name, text in different.items() if text != s}
    return Item(
        same, different | said_of(s, positive=value > 0), ("math", "numeric"), words=SAID_IN_WORDS
    )


def fractions(draw: random.Random) -> Item:
    """A fraction in lowest terms."""
    value = Fraction(draw.randint(1, 40), draw.randint(2, 25))
    while value.denominator == 1:
        value = Fraction(draw.randint(1, 40), draw.randint(2, 25))
    value *= draw.choice((1, 1, -1))
    p, q = value.numerator, value.denominator
    sign = "-" if p < 0 else ""
    same = {
        name: rf"{sign}\{name}{{{abs(p)}}}{{{q}}}" for name in ("frac", "dfrac", "tfrac", "cfrac")
    }
    same |= {
        "slash": f"{p}/{q}",
        "over": rf"{sign}{{{abs(p)} \over {q}}}",
        "sign above": rf"\frac{{{p}}}{{{q}}}",
    }
    same |= {
        "sign below": rf"\frac{{{-p}}}{{{-q}}}",
        "unreduced": rf"{sign}\frac{{{3 * abs(p)}}}{{{3 * q}}}",
    }
    same |= {
        "spaces": f"{p} / {q}",
        "fraction slash": f"{p}⁄{q}",
        "brackets": rf"\left({fraction(value)}\right)",
    }
    if abs(p) < 10 and q < 10:
        same["no braces"] = rf"{sign}\frac{abs(p)}{q}"
    if terminates(value):
        same["decimal"] = decimal(value)
    if abs(value) in GLYPHS:
        same["one sign"] = sign + GLYPHS[abs(value)]
    other = {
        "upside down": 1 / value,
        "sign flipped": -value,
        "numerator off by one": Fraction(p + 1, q),
        "denominator off by one": Fraction(p, q + 1),
        "denominator dropped": Fraction(p),
    }
    different = {name: fraction(v) for name, v in other.items() if v != value}
    different |= {"slash upside down": f"{q}/{p}", "squared": f"({p}/{q})^2"}
    if not terminates(value):
        different["rounded to three places"] = decimal(Fraction(round(value * 1000), 1000))
        different["rounded to two places"] = decimal(Fraction(round(value * 100), 100))
    different |= {
        "a dozen": rf"{fraction(value)}\text{{ dozen}}",
        "a letter": f"{fraction(value)}x",
    }
    return Item(
        same, different, ("math", "numeric"), frozenset({"over", "brackets", "fraction slash"})
    )


def mixed(draw: random.Random) -> Item:
    """A mixed number, such as 3 1/2."""
    part = Fraction(draw.randint(1, 11), draw.randint(2, 12))
    while not 0 < part < 1:
        part = Fraction(draw.randint(1, 11), draw.randint(2, 12))
    whole, sign = draw.randint(1, 30), draw.choice(("", "", "-"))
    a, b = part.numerator, part.denominator
    value = (whole + part) * (-1 if sign else 1)
    same = {"plain": f"{sign}{whole} {a}/{b}"}
    same |= {name: rf"{sign}{whole}\{name}{{{a}}}{{{b}}}" for name in ("frac", "dfrac", "tfrac")}
    same |= {
        r"\ between": rf"{sign}{whole}\ \frac{{{a}}}{{{b}}}",
        r"\, between": rf"{sign}{whole}\,\frac{{{a}}}{{{b}}}",
    }
    same |= {
        "improper": fraction(value),
        "improper, slash": f"{value.numerator}/{value.denominator}",
    }
    if not sign:
        same["sum"] = rf"{whole} + \frac{{{a}}}{{{b}}}"
    if terminates(value):
        same["decimal"] = decimal(value)
    if part in GLYPHS:
        same["one sign"] = f"{sign}{whole}{GLYPHS[part]}"
    minus = -1 if sign else 1
    other = {
        "as a product": minus * whole * part,
        "as a difference": minus * (whole - part),
        "part upside down": minus * (whole + 1 / part),
        "whole off by one": minus * (whole + 1 + part),
        "whole dropped": minus * part,
        "part dropped": Fraction(minus * whole),
        "sign flipped": -value,
    }
    different = {name: fraction(v) for name, v in other.items() if v != value}
    different["written, whole off by one"] = f"{sign}{whole + 1} {a}/{b}"
    different["written, part upside down"] = rf"{sign}{whole}\frac{{{b}}}{{{a}}}"
    # Between dollars "3 1/2" would be 31/2.
    return Item(
        same,
        different,
        ("math", "numeric"),
        frozenset({"sum"}),
        frozenset({"plain", "written, whole off by one"}),
    )


def repeating(draw: random.Random) -> Item:
    """A repeating decimal such as 0.1666..."""
    before, period = draw.choice(("", "", "1", "3", "05")), str(draw.randint(1, 98))
    while (
        set(period) in ({"9"}, {"0"})
        or before.endswith(period[-1])
        or (len(period) == 2 and len(set(period)) == 1)
    ):
        period = str(draw.randint(1, 98))
    whole = draw.choice((0, 0, 1, 5))
    value = whole + repeating_value(before, period)
    s = rf"{whole}.{before}\overline{{{period}}}"
    same = {
        "overline": s,
        "fraction": fraction(value),
        "slash": f"{value.numerator}/{value.denominator}",
    }
    same |= {
        "bar": rf"{whole}.{before}\bar{{{period}}}",
        "period twice": rf"{whole}.{before}\overline{{{period * 2}}}",
    }
    same |= {"named": f"x = {s}", "dfrac": rf"\dfrac{{{value.numerator}}}{{{value.denominator}}}"}
    changed = str(int(period) + 1) if len(period) == 1 else period[::-1]
    different = {
        "cut off": f"{whole}.{before}{period}",
        "cut off later": f"{whole}.{before}{period * 3}",
        "another period": rf"{whole}.{before}\overline{{{changed}}}",
        "bar elsewhere": rf"{whole}.{before}0\overline{{{period}}}",
        "whole off by one": rf"{whole + 1}.{before}\overline{{{period}}}",
        "sign flipped": f"-{s}",
        "numerator off by one": fraction(value + Fraction(1, value.denominator)),
        "upside down": fraction(1 / value),
    }
    return Item(same, different)


def scientific(draw: random.Random) -> Item:
    """A number times a power of ten."""
    mantissa, power = Fraction(draw.randint(11, 99), 10), draw.choice((-6, -4, -3, 3, 5, 6, 8, 12))
    value, m = mantissa * Fraction(10) ** power, decimal(mantissa)
    same = {
        "plain": rf"{m} \times 10^{{{power}}}",
        "cdot": rf"{m}\cdot 10^{{{power}}}",
        "e": f"{m}e{power}",
    }
    same |= {
        "E": f"{m}E{power}",
        "star": f"{m}*10^{{{power}}}",
        "signs": f"{m} × 10{str(power).translate(RAISED)}",
    }
    same |= {"times sign": f"{m} × 10^{{{power}}}", "written out": decimal(value)}
    same |= {"named": rf"x = {m} \times 10^{{{power}}}"}
    same |= {"shifted": rf"{decimal(mantissa * 10)} \times 10^{{{power - 1}}}"}
    if power > 0 and value.denominator == 1:
        same |= {"commas": grouped(int(value), ","), r",\!": grouped(int(value), r",\!")}
    up = Fraction(1, 10)
    different = {
        "exponent off by one": rf"{m} \times 10^{{{power + 1}}}",
        "exponent's sign": rf"{m} \times 10^{{{-power}}}",
        "e, exponent off by one": f"{m}e{power - 1}",
        "mantissa off": rf"{decimal(mantissa + up)} \times 10^{{{power}}}",
        "exponent dropped": rf"{m} \times 10",
        "power dropped": m,
        "sign flipped": rf"-{m} \times 10^{{{power}}}",
        "e as a letter": rf"{m} e^{{{power}}}",
        "product with e": rf"{m} e \cdot {power}",
        "written out, a zero less": decimal(value / 10),
    }
    return Item(same, different, ("math", "numeric"))


def number_words(draw: random.Random) -> Item:
    """A whole number, also in words."""
    n = draw.choice(
        (
            draw.randint(2, 20),
            draw.randint(21, 99),
            draw.randint(100, 999),
            draw.randint(1000, 9999),
        )
    )
    word = in_words(n)
    same = {
        "plain": str(n),
        "words": word,
        "capital": word.capitalize(),
        "text": rf"\text{{{word}}}",
    }
    same |= {"no hyphens": word.replace("-", " ")}
    other = draw.choice([k for k in (n + 1, n - 1, n + 10, 10 * n) if k < 10_000 and k != n])
    different = {
        "another number": in_words(other),
        "another number, text": rf"\text{{{in_words(other)}}}",
        "another number, digits": str(other),
        "minus": f"minus {word}",
        "doubled": f"{word} doubled",
        "dozens": f"{word} dozen",
        "or": f"{word} or {in_words(other)}",
        "not": f"not {word}",
    }
    written = {
        "words",
        "capital",
        "no hyphens",
        "another number",
        "minus",
        "doubled",
        "dozens",
        "or",
        "not",
    }
    return Item(same, different, ("math", "numeric"), words=frozenset(written))


def said_of(s: str, positive: bool) -> dict[str, str]:
    """What may stand beside a number and makes it another answer."""
    said = {
        "dozen": f"{s} dozen",
        "hundred": rf"{s}\text{{ hundred}}",
        "halves": rf"{s}\text{{ halves}}",
        "doubled": f"{s} doubled",
        "is wrong": rf"{s}\text{{ is wrong}}",
        "not": rf"\text{{not }}{s}",
        "more than": f">{s}",
        "and a half": f"{s} and a half",
        "plus one": f"{s}+1",
    }
    return said | (
        {"primes": f"{s}''", "radical": rf"\sqrt{{{s}}}"} if positive and s != "1" else {}
    )


def swapped_digits(n: int) -> int:
    """With two neighbours that differ in each other's place; the same number where there are
    none."""
    digits = str(abs(n))
    for place in range(len(digits) - 1):
        first, second = digits[place], digits[place + 1]
        if first != second and (place or second != "0"):
            changed = int(digits[:place] + second + first + digits[place + 2 :])
            return changed if n > 0 else -changed
    return n


def grouped(n: int, mark: str) -> str:
    """Its digits in groups of three."""
    return f"{n:,}".replace(",", mark)


def terminates(value: Fraction) -> bool:
    """Whether its decimals end."""
    return 10**60 % value.denominator == 0


def decimal(value: Fraction) -> str:
    """All its decimals, of a value whose decimals end."""
    places = next(places for places in range(61) if 10**places % value.denominator == 0)
    digits = str(abs(value.numerator) * 10**places // value.denominator).zfill(places + 1)
    text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return f"-{text}" if value < 0 else text


def fraction(value: Fraction) -> str:
    r"""As \frac, the sign before it; a whole number as it is."""
    sign = "-" if value < 0 else ""
    p, q = abs(value.numerator), value.denominator
    return f"{sign}{p}" if q == 1 else rf"{sign}\frac{{{p}}}{{{q}}}"


def repeating_value(before: str, period: str) -> Fraction:
    """0.(before)(period)(period)..."""
    shift = 10 ** len(before)
    return Fraction(int(before or "0"), shift) + Fraction(
        int(period), shift * (10 ** len(period) - 1)
    )


def in_words(n: int) -> str:
    """A whole number below ten thousand in English: one hundred twenty-five."""
    if n >= 1000:
        rest = f" {in_words(n % 1000)}" if n % 1000 else ""
        return f"{in_words(n // 1000)} thousand{rest}"
    if n >= 100:
        rest = f" {in_words(n % 100)}" if n % 100 else ""
        return f"{SMALL[n // 100]} hundred{rest}"
    if n < 20:
        return SMALL[n]
    return TENS[n // 10] + (f"-{SMALL[n % 10]}" if n % 10 else "")


def root_free(n: int) -> bool:
    """Whether no square divides it: then a√n is in lowest terms."""
    return n > 1 and all(n % (k * k) for k in range(2, int(n**0.5) + 1))


NUMBERS = {
    "integer": integers,
    "decimal": decimals,
    "fraction": fractions,
    "mixed number": mixed,
    "repeating decimal": repeating,
    "scientific notation": scientific,
    "number words": number_words,
}
