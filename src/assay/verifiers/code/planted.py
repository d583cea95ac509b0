"""Wrong programs made of a right one: what a verifier that is worth its name refuses.

* `altered`       every result is changed a little: another number, one item more, the opposite
truth
* `constant`      the first result, whatever the input
* `equal to all`  an object whose `__eq__` says yes
* `exits`         the process ends with status 0
"""

__all__ = ["bugs"]

_ALTERED = """

def _altered(value):
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, (int, float, complex)):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, (list, tuple)):
        return value + type(value)([0]) if type(value) in (list, tuple) else [*value, 0]
    if isinstance(value, (set, frozenset)):
        return value | {"altered"}
    if isinstance(value, dict):
        return {**value, "altered": 0}
    return None

"""
_WRAP = """
def _wrapped(right):
    def wrong(*arguments, **keywords):
        return %s
    return wrong

%s = _wrapped(%s)
"""
_CONSTANT = """
_first = []
def _same(value):
    _first.append(value)
    return _first[0]
"""
_EQUAL = """
class _Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __hash__(self): return 0
"""


def bugs(code: str, entry: str) -> list[tuple[str, str]]:
    """Names and programs; for a whole program (no entry) one that prints more and one that prints
    nothing."""
    if not entry:
        return [("altered", f"{code}\nprint('x')\n"), ("exits", "raise SystemExit(0)\n")]
    call = "right(*arguments, **keywords)"
    return [
        ("altered", code + _ALTERED + _WRAP % (f"_altered({call})", entry, entry)),
        ("constant", code + _CONSTANT + _WRAP % (f"_same({call})", entry, entry)),
        ("equal to all", code + _EQUAL + _WRAP % ("_Equal()", entry, entry)),
        ("exits", code + "\nimport os\n" + _WRAP % ("os._exit(0)", entry, entry)),
    ]
