import gc
import sys
import threading
import time
import warnings

import pytest

from assay.errors import DataError
from assay.syntax import parse, tree

NESTED = "x = [" + ", ".join(f"[{i}, ({i}, {i})]" for i in range(300)) + "]\n"


def test_threads_parse_side_by_side_while_garbage_is_collected() -> None:
    """CPython 3.11 raises "AST constructor recursion depth mismatch" where nothing is held."""
    errors = list[BaseException]()

    def work() -> None:
        try:
            for _ in range(30):
                assert len(tree(NESTED).body) == 1
        except SystemError as error:
            errors.append(error)

    def let_others_in(*_: object) -> None:
        time.sleep(1e-5)

    interval = sys.getswitchinterval()
    gc.callbacks.append(let_others_in)
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
        gc.callbacks.remove(let_others_in)
    assert errors == []


def test_no_warning_of_others_strings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(tree('"\\d"').body) == 1


@pytest.mark.parametrize("text", ["def", "x = '\0'", "(" * 1000, "-" * 100_000 + "1"])
def test_what_is_no_python_names_its_field(text: str) -> None:
    with pytest.raises(DataError, match="'code' is no Python"):
        parse(text, "code")
