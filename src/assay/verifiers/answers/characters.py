r"""Characters beyond ASCII that stand for mathematics, as LaTeX: x² is x^{2},
½ is \frac{1}{2}, －５ is -5."""

import re
import unicodedata
from typing import Final

__all__ = ["as_latex"]

_SUPERSCRIPTS: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱ", "0123456789+-()ni")
_SUBSCRIPTS: Final = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙ", "0123456789+-()n")
_ABOVE: Final = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱ]+")
_BELOW: Final = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙ]+")
_FRACTION: Final = re.compile("[¼-¾⅐-⅞↉]|(?<!\\d)(\\d+)⁄(\\d+)")

_COMMANDS: Final = {
    "−": "-",
    "–": "-",
    "—": "-",
    "‐": "-",
    "‑": "-",
    "‒": "-",
    "π": r"\pi ",
    "α": r"\alpha ",
    "β": r"\beta ",
    "γ": r"\gamma ",
    "δ": r"\delta ",
    "θ": r"\theta ",
    "λ": r"\lambda ",
    "μ": r"\mu ",
    "φ": r"\phi ",
    "ω": r"\omega ",
    "σ": r"\sigma ",
    "ρ": r"\rho ",
    "Ω": r"\Omega ",
    "Δ": r"\Delta ",
    "≤": r"\le ",
    "⩽": r"\le ",
    "≥": r"\ge ",
    "⩾": r"\ge ",
    "≠": r"\ne ",
    "≈": r"\approx ",
    "≅": r"\approx ",
    "±": r"\pm ",
    "∓": r"\mp ",
    "·": r"\cdot ",
    "⋅": r"\cdot ",
    "×": r"\times ",
    "÷": r"\div ",
    "∞": r"\infty ",
    "∅": r"\emptyset ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "∈": r"\in ",
    "∨": r"\lor ",
    "∧": r"\land ",
    "∠": r"\angle ",
    "°": r"^{\circ}",
    "º": r"^{\circ}",
    "′": "'",
    "″": "''",
    "’": "'",
    "‘": "'",
    "…": r"\dots ",
    "⋯": r"\dots ",
    "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}",
    "ℂ": r"\mathbb{C}",
    "∫": r"\int ",
    "∑": r"\sum ",
    "∣": "|",
    "∶": ":",
    "。": ".",
    "、": ",",
    "⟨": r"\langle ",
    "⟩": r"\rangle ",
    "⌊": r"\lfloor ",
    "⌋": r"\rfloor ",
    "⌈": r"\lceil ",
    "⌉": r"\rceil ",
    "■": r"\blacksquare ",
    "□": r"\blacksquare ",
    "∎": r"\blacksquare ",
    "◼": r"\blacksquare ",
    "\ufeff": "",
    "\u200b": "",
    "\u200c": "",
    "\u200d": "",
    "\u2060": "",
    "\u00ad": "",
    "\u2061": "",
    "\u2062": "",
    "\u200e": "",
    "\u200f": "",
}
_TABLE: Final = str.maketrans(_COMMANDS)
_ROOT: Final = re.compile(r"([√∛∜])\s*(?:\(([^()]*)\)|(\d+(?:\.\d+)?|\w))")


def as_latex(text: str) -> str:
    """The text with its Unicode signs, digits and full-width forms in ASCII; letters of other
    scripts stay."""
    if text.isascii():
        return text
    text = _ABOVE.sub(lambda run: f"^{{{run[0].translate(_SUPERSCRIPTS)}}}", text)
    text = _BELOW.sub(lambda run: f"_{{{run[0].translate(_SUBSCRIPTS)}}}", text)
    text = _FRACTION.sub(_fraction, text)
    # The first translation keeps signs that compatibility forms would lose, such as "°" of "º".
    text = unicodedata.normalize("NFKC", text.translate(_TABLE))
    return _ROOT.sub(_root, text.translate(_TABLE))


def _root(match: re.Match[str]) -> str:
    degree = {"√": "", "∛": "[3]", "∜": "[4]"}[match[1]]
    return rf"\sqrt{degree}{{{match[2] or match[3]}}}"


def _fraction(match: re.Match[str]) -> str:
    """½, which Unicode takes apart into digits and a fraction slash, or such digits themselves."""
    above, _, below = unicodedata.normalize("NFKC", match[0]).partition("⁄")
    return rf"\frac{{{above}}}{{{below}}}"
