"""Runs pairs of program and tests in plain Python, without any wall: `python plain_python.py <
pairs.jsonl`.

A pair is one JSON object a line, with `program` and the fields of an assertion suite. For each, one
line is printed: "" where every test passes, else why not. It is started by itself, for it forks a
child a pair.
"""

import contextlib
import inspect
import io
import json
import os
import sys
import tempfile
import types
from typing import Any, NoReturn

os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"

import pytest

OPTIONS = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", "--assert=plain"]


def passes(pair: dict[str, Any]) -> str:
    """Why a pair fails in plain Python; "" where it passes."""
    sources = [pair["tests"]] if pair["pytest"] else [[test] for test in pair["tests"]]
    for tests in sources:
        said, put = os.pipe()
        child = os.fork()
        if not child:
            os.close(said)
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                try:
                    why = (under_pytest if pair["pytest"] else in_one_namespace)(pair, tests)
                except BaseException as error:  # noqa: BLE001  a test may end in any way
                    why = f"{type(error).__name__}: {error}"
            os.write(put, why.encode(errors="replace")[-400:])
            os._exit(0)
        os.close(put)
        with os.fdopen(said, "rb") as pipe:
            why = pipe.read().decode(errors="replace")
        _, status = os.waitpid(child, 0)
        if why or status:
            return why or f"status {status}"
    return ""


def in_one_namespace(pair: dict[str, Any], tests: list[str]) -> str:
    """Program, helpers and one test in one namespace, as HumanEval and MBPP run them."""
    module = _load(pair)
    scope = dict(vars(module))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(pair["before"], "<helpers>", "exec"), scope)
        if pair["entry"]:
            scope.setdefault("candidate", scope[pair["entry"]])
        exec(compile(tests[0], "<tests>", "exec"), scope)
        check = scope.get("check")
        if inspect.isfunction(check) and list(inspect.signature(check).parameters) == ["candidate"]:
            check(scope["candidate"])
    return ""


def under_pytest(pair: dict[str, Any], tests: list[str]) -> str:
    """The tests as files beside the program, under pytest."""
    with open(f"{pair['module']}.py", "w", encoding="utf-8") as file:
        file.write(pair["program"])
    for number, source in enumerate(tests):
        lines = source.splitlines(keepends=True)
        future = [
            line for line in lines if line.startswith("from __future__")
        ]  # stands before the helpers
        rest = [line for line in lines if line not in future]
        with open(f"test_{number}.py", "w", encoding="utf-8") as file:
            file.writelines([*future, f"{pair['before']}\n", *rest])
    sys.path.insert(0, os.getcwd())
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    collect = Failures()
    status = pytest.main([*OPTIONS, "."], plugins=[collect])
    if status or not collect.passed:
        return f"pytest ends with {status}: {'; '.join(collect.failures)}"
    return ""


class Failures:
    """What pytest reports."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.passed = 0

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failures.append(str(report.longrepr)[-200:])
        self.passed += report.passed and report.when == "call"

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failures.append(str(report.longrepr)[-200:])


def _load(pair: dict[str, Any]) -> types.ModuleType:
    module = types.ModuleType(pair["module"])
    sys.modules[pair["module"]] = module
    exec(compile(pair["program"], "<program>", "exec"), vars(module))
    return module


def main() -> NoReturn:
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main(["--version"])  # what it imports at first, children have then
    for line in sys.stdin:
        print(json.dumps(passes(json.loads(line))), flush=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
