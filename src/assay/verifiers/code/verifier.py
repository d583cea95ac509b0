"""Programs, judged by tests that they cannot reach.

The expected values never enter the process that runs the program. Calls go in and plain data comes
out, compared here (`compare`); assertions run in a second sandbox, which calls the program through
a pipe and whose verdict carries a nonce. So there is nothing to patch, spoof, walk to or exit from:
an answer counts only if it is the right value.

A program that fails, loops, floods or dies is wrong, with the reason. A sandbox that fails is
undecided, which says nothing about the program. Numbers on what cheats other graders are in the
documentation of the sandbox.
"""

import functools
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from assay.errors import BackendError, DataError, MissingExtra
from assay.fingerprint import ByContent
from assay.sandbox import Ended, Job, Level, Limits, Sandbox
from assay.sandbox.inside import BEGUN
from assay.sandbox.inside.codec import Undecodable, decode, opaque
from assay.sandbox.inside.sources import ENDS_ITSELF, NEVER_ASKED
from assay.sandbox.remote import RemoteSandbox
from assay.sandbox.side_by_side import side_by_side
from assay.types import Verdict
from assay.verifiers.code import planted
from assay.verifiers.code.compare import Comparison, same_text
from assay.verifiers.code.needs import least_tests, needs, unreadable
from assay.verifiers.code.program import Extraction, Program, program
from assay.verifiers.code.raised import raised
from assay.verifiers.code.room import room_for
from assay.verifiers.code.suites import Assertions, Call, Calls, Reference, Streams, Suite

__all__ = ["Code"]

Protocol = Literal["strict", "joint", "auto"]

MAX_PROGRAM: Final = 1 << 20
MAX_PRINTED: Final = 60
LONGEST_ANSWER: Final = 8
"""Times the limit of the output: what a program's answer to the tests may take in the form in which
it crosses."""
UNFIT: Final = (NEVER_ASKED, ENDS_ITSELF)
"""What is the matter with tests whatever the protocol."""
_UNCALLED: Final = "; functions and classes of tests are run where pytest is true"
LONGEST_ERROR: Final = 64
"""Bytes of an error's result line, an eighth of them: what it says is cut."""


Runner = Sandbox | RemoteSandbox


@dataclass(frozen=True)
class _Tally:
    """How many tests passed, and why the first that did not."""

    passed: int
    total: int
    reason: str = ""
    stage: str = "tests"


@dataclass(frozen=True, kw_only=True)
class Code:
    """Runs a response's program against its task's tests, in a sandbox.

    Threads may share it; sandboxes of the same settings are shared too, and stay warm.
    """

    level: Level = "namespaces"
    """Isolation to run at; refused where the machine cannot give it. Of the weaker ones, landlock
    does not stop more disk use than the limit, in many files; seccomp does not stop reading,
    writing and deleting the user's files; trust-the-code stops nothing but too much use. `assay
    verify levels` describes them, and which are available here."""
    remote: str | None = None
    """Address of a SandboxFusion service to run programs at instead; it cannot run assertions."""
    workers: int = 2
    """Programs run at a time."""
    limits: Limits = field(default_factory=Limits)
    """What one process may use: all calls of a program, or one run of a program that reads and
    prints. A test's own input and right answer have room beside it."""
    extract: Extraction = "auto"
    """Part of a response that is the program."""
    comparison: Comparison = field(default_factory=Comparison)
    """When a result is the expected one."""
    credit: Literal["all", "share"] = "all"
    """all: right only where every test passes. share: a wrong one's score is the share of tests
    that pass."""
    protocol: Protocol = "strict"
    """Where assertions run. strict: in a process of their own, which reaches the program through a
    pipe, so that no expected value and no verdict is within its reach; tests that need more than
    that are undecided, and say why. joint: in one process with the program, in the sandbox, where a
    program that sets out to cheat can (see the documentation of verifiers). auto: strict, and joint
    for the tests that need it."""
    python: Path | None = None
    """Another Python to run programs with; None is the one that runs this."""
    packages: tuple[Path, ...] = ()
    """Folders of packages that programs may import beside the standard library, such as a
    site-packages with numpy."""

    fingerprint = ByContent()

    def check(self, text: str, suite: Suite) -> Verdict:
        """The verdict on a response. Raises `SandboxUnavailable` where there is no sandbox of the
        level."""
        found = self._program(text, suite)
        if found is None:
            return Verdict(outcome="wrong", reason="the response holds no program", stage="extract")
        about: dict[str, Any] = {"answer": found.code, "source": found.source, "span": found.span}
        if len(found.code) > MAX_PROGRAM:
            return Verdict(
                outcome="wrong",
                reason=f"longer than {MAX_PROGRAM:,} characters",
                stage="extract",
                **about,
            )
        sandbox = self._sandbox(suite)
        try:
            tally = self._run(found, suite, sandbox)
        except BackendError as error:
            return Verdict(outcome="undecided", reason=str(error), stage="sandbox", **about)
        if tally.total == 0:
            return Verdict(outcome="undecided", reason=tally.reason, stage=tally.stage, **about)
        right = tally.passed == tally.total
        credit = tally.passed / tally.total if self.credit == "share" else None
        reason = "" if right else f"{tally.passed} of {tally.total} tests pass; {tally.reason}"
        return Verdict(
            outcome="right" if right else "wrong",
            reason=reason,
            stage=tally.stage,
            credit=credit,
            **about,
        )

    def check_all(
        self,
        items: Sequence[tuple[str, Suite]],
        show: Callable[[int], None] = lambda _: None,
        reached: Callable[[int, Verdict], None] = lambda _, __: None,
    ) -> list[Verdict]:
        """One verdict an item, in order; items of the same content are run once.

        As they are reached, in another order, `reached` is told the place and the verdict, `show`
        how many there are. Interrupted, it ends what runs.
        """
        self._sandbox(
            items[0][1] if items else None
        )  # a level that is not to be had is told before any work
        places: dict[str, list[int]] = {}
        for place, (text, suite) in enumerate(items):
            places.setdefault(_key(text, suite), []).append(place)
        found: dict[int, Verdict] = {}

        def take(key: str, verdict: Verdict) -> None:
            for place in places[key]:
                found[place] = verdict
                reached(place, verdict)
                show(len(found))

        side_by_side(lambda key: self.check(*items[places[key][0]]), places, self.workers, take)
        return [found[place] for place in range(len(items))]

    def validate(self, records: Iterable[tuple[str, Suite]]) -> dict[str, int]:
        """Check pairs of reference solution and tests: the solution passes, and it with planted
        bugs does not.

        Returns counts, among them of tests that a constant answer passes, which only better tests
        would mend. Raises `DataError` that lists the first tasks on which either is not so.
        """
        items = list(records)
        if not items:
            raise DataError("there is no record to validate")
        bugs = []
        for i, (text, suite) in enumerate(items):
            bugs += [(name, i, (code, suite)) for name, code in self._bugs(text, suite)]
        verdicts = self.check_all([*items, *(item for _, _, item in bugs)])
        gold, bad = verdicts[: len(items)], verdicts[len(items) :]
        passing = [
            (name, i)
            for (name, i, _), verdict in zip(bugs, bad, strict=True)
            if verdict.outcome == "right"
        ]
        faults = [
            f"record {i}: the solution is {v.outcome}: {v.reason}"
            for i, v in enumerate(gold)
            if v.outcome != "right"
        ]
        faults += [
            f"record {i}: passes with a planted bug ({name})"
            for name, i in passing
            if name != "constant"
        ]
        if faults:
            raise DataError(
                f"{len(faults)} of {len(verdicts)} checks fail: " + "; ".join(faults[:5])
            )
        constant = sum(name == "constant" for name, _ in passing)
        return {"solutions": len(items), "planted": len(bugs), "passed by a constant": constant}

    def _bugs(self, text: str, suite: Suite) -> list[tuple[str, str]]:
        found = self._program(text, suite)
        if found is None:
            return []
        return [
            (name, f"```python\n{code}\n```")
            for name, code in planted.bugs(found.code, suite.entry)
        ]

    def _program(self, text: str, suite: Suite) -> Program | None:
        tests = "\n".join(suite.tests) if isinstance(suite, Assertions) else ""
        return program(text, self.extract, suite.entry, suite.stub, tests)

    def _sandbox(self, suite: Suite | None) -> Runner:
        if self.remote is not None:
            return _service(self.remote)
        packages, preload = self.packages, tuple[str, ...]()
        if isinstance(suite, Assertions) and suite.pytest:
            packages, preload = (*packages, _home("pytest")), ("pytest",)
        return _shared(self.level, self.workers, self.python, packages, preload, os.getpid())

    def _run(self, found: Program, suite: Suite, sandbox: Runner) -> _Tally:
        match suite:
            case Calls():
                known = [
                    case.model_copy(update={"expected": suite.encoded(case.expected)})
                    for case in suite.cases
                ]
                return self._calls(found.code, suite, known, sandbox)
            case Reference():
                cases, why = self._expected(suite, sandbox)
                return (
                    self._calls(found.code, suite, cases, sandbox)
                    if cases
                    else _Tally(0, 0, why, "reference")
                )
            case Streams():
                return self._streams(found.code, suite, sandbox)
            case Assertions():
                return self._assertions(found.code, suite, sandbox)

    def _calls(
        self, code: str, suite: Calls | Reference, cases: Sequence[Call], sandbox: Runner
    ) -> _Tally:
        results, (why, stage) = _called(code, suite, cases, sandbox, self.limits)
        if "load" in results:
            return _Tally(
                0, len(cases), f"it fails when it is loaded: {_said(results['load'])}", "load"
            )
        same = suite.comparison(self.comparison).same
        wrong = [
            index for index, case in enumerate(cases) if not _right(case, results.get(index), same)
        ]
        if not wrong:
            return _Tally(len(cases), len(cases))
        first = next((index for index in wrong if not _unfit(suite, cases[index])), None)
        if first is None:
            return _Tally(
                0, 0, f"call {wrong[0] + 1} of the suite: {_unfit(suite, cases[wrong[0]])}", "tests"
            )
        if (result := results.get(first)) is not None:
            why, stage = f"call {first + 1} gives {_shown(result)}", "tests"
        return _Tally(len(cases) - len(wrong), len(cases), why, stage)

    def _expected(self, suite: Reference, sandbox: Runner) -> tuple[tuple[Call, ...], str]:
        """The cases that the reference solution answers, with what it says; none, and why, where
        that tells nothing."""
        known = _known_results(suite.model_dump_json(), sandbox, self.limits)
        distinct = {json.dumps(case.expected) for case in known}
        if not known:
            _known_results.cache_clear()  # it may have been the machine's fault
            return (), "the reference solution gives no answer in half of the limits"
        if len(distinct) < suite.distinct:
            return (
                (),
                (
                    f"the reference solution gives {len(distinct)} answers to all inputs, which a"
                    " constant would pass"
                ),
            )
        return known, ""

    def _streams(self, code: str, suite: Streams, sandbox: Runner) -> _Tally:
        passed, reason, stage = 0, "", "tests"
        comparison = suite.comparison(self.comparison)
        for index, case in enumerate(suite.cases, 1):
            given, files = _bytes(case.stdin), _bytes(case.stdin) + _bytes(code)
            limits = room_for(self.limits, given, _bytes(case.stdout), files)
            (ended,) = sandbox.run(
                Job("program", {"code": code, "stdin": case.stdin}, limits, speaks=True)
            )
            if not ended.result.startswith(BEGUN):
                raise BackendError(
                    f"run {index} did not begin: its input of {given:,} bytes did not get in"
                )
            printed = ended.stdout.decode(errors="replace")
            if (
                ended.status == 0
                and not ended.stopped
                and same_text(case.stdout, printed, comparison)
            ):
                passed += 1
                continue
            if not reason:
                if ended.stopped or ended.status not in (0, 1):
                    reason, stage = _stopped(ended, limits)
                elif ended.status == 0:
                    reason = f"run {index} prints {_cut(repr(printed.strip()))}"
                else:
                    last = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
                    reason = f"run {index} fails: {_cut(last, 200)}"
            if self.credit == "all":
                break
        return _Tally(passed, len(suite.cases), reason, stage)

    def _assertions(self, code: str, suite: Assertions, sandbox: Runner) -> _Tally:
        if why := unreadable(suite):
            return _Tally(0, 0, _cut(why, 300))
        if self.protocol == "joint":
            return self._asserted(code, suite, sandbox, joint=True)
        tally = self._asserted(code, suite, sandbox, joint=False)
        if tally.total == 0 and self.protocol == "auto":
            return self._asserted(code, suite, sandbox, joint=True)
        return tally

    def _asserted(self, code: str, suite: Assertions, sandbox: Runner, joint: bool) -> _Tally:
        """Run assertions, beside the program or in one process with it."""
        nonce = secrets.token_hex(16)
        # A test that loads pytest and holds large expected values may need more than the program
        # does.
        tests = {
            "tests": suite.tests,
            "before": suite.before,
            "entry": suite.entry,
            "pytest": suite.pytest,
            "module": suite.module,
            "nonce": nonce,
            "longest": LONGEST_ANSWER * self.limits.output,
        }
        if joint:
            (judge,) = sandbox.run(Job("joint", {**tests, "code": code}, self.limits))
            runner = judge
        else:
            program = {"code": code, "longest": self.limits.output}
            judge, runner = sandbox.run(
                Job("tests", tests, self.limits), Job("candidate", program, self.limits)
            )
        said = _verdict(judge.result, nonce)
        if said is None:
            ended = judge if judge.stopped or runner.status == 0 else runner
            reason, stage = _stopped(ended, self.limits)
            if not joint and (lacking := needs(suite)):
                return _lacking(lacking)
            return _Tally(0, len(suite.tests), f"the tests did not finish: {reason}", stage)
        if why := said["undecided"]:
            hint = _UNCALLED if why == NEVER_ASKED and not suite.pytest else ""
            return _Tally(0, 0, why + hint) if joint or why in UNFIT else _lacking(why)
        reason = _cut(str(said["failure"]), 300)
        # What the sources hold is counted here, too, where no program can make a test disappear.
        least = least_tests(suite.tests) - said["skipped"] if suite.pytest else len(suite.tests)
        total = max(said["total"], least)
        if total == 0:
            return _Tally(0, 0, "no test ran")
        if "when it is loaded" in reason:
            return _Tally(0, total, reason, "load")
        if reason == "the program ended":
            why, stage = _stopped(runner, self.limits)
            return _Tally(said["passed"], total, why, stage)
        if not joint:
            rests = str(said["rests"]) if said["passed"] == total else needs(suite)
            if rests:
                return _lacking(rests)
        return _Tally(
            said["passed"], total, reason or f"{total - said['passed']} of the tests did not run"
        )


@functools.cache
def _shared(
    level: Level,
    workers: int,
    python: Path | None,
    packages: tuple[Path, ...],
    preload: tuple[str, ...],
    pid: int,
) -> Sandbox:
    """One sandbox for all verifiers of the same settings; `pid` makes a fork start its own."""
    return Sandbox(level, workers=workers, python=python, packages=packages, preload=preload)


@functools.cache
def _service(url: str) -> RemoteSandbox:
    return RemoteSandbox(url)


def _home(package: str) -> Path:
    """The folder that a package is installed in."""
    try:
        found = __import__(package).__file__
    except ImportError as error:
        raise MissingExtra("running pytest's tests", "sandbox") from error
    return Path(str(found)).resolve().parents[1]


def _called(
    code: str, suite: Calls | Reference, cases: Sequence[Any], sandbox: Runner, limits: Limits
) -> tuple[dict[Any, list[Any]], tuple[str, str]]:
    """The program's result lines by case, "load" for a program that does not load; the first answer
    to a case counts. With them, why there are no more, and the stage."""
    encoded = [
        [
            ["list", *map(suite.encoded, case.arguments)],
            ["dict", *([k, suite.encoded(v)] for k, v in case.keywords.items())],
        ]
        for case in cases
    ]
    answers = [case.expected for case in cases if isinstance(case, Call)]
    longest = len(json.dumps(answers)) + LONGEST_ERROR * len(answers)
    limits = room_for(limits, len(json.dumps(encoded)), longest)
    (ended,) = sandbox.run(
        Job("calls", {"code": code, "entry": suite.entry, "cases": encoded}, limits)
    )
    results: dict[Any, list[Any]] = {}
    for line in ended.result.split(b"\n")[:-1]:
        try:
            result = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(result, list) or len(result) < 2 or not isinstance(result[0], (int, str)):
            break
        results.setdefault(result[0], result)
    return results, _stopped(ended, limits)


@functools.lru_cache(maxsize=4096)
def _known_results(suite_json: str, sandbox: Runner, limits: Limits) -> tuple[Call, ...]:
    """The inputs to which the reference solution returns plain data, with what it returns, in
    tagged form.

    It gets half of the limits, in the order of the inputs: a right program that is not much slower
    has to be able to answer them all.
    """
    suite = Reference.model_validate_json(suite_json)
    half = replace(
        limits,
        seconds=max(1, limits.seconds // 2),
        wall=limits.clock / 2,
        output=limits.output // 2,
    )
    results, _ = _called(suite.solution, suite, suite.cases, sandbox, half)
    known = []
    for index, case in enumerate(suite.cases):
        result = results.get(index)
        if result is not None and len(result) == 2 and not opaque(result[1]):
            known.append(Call(arguments=case.arguments, keywords=case.keywords, expected=result[1]))
    return tuple(known)


def _right(case: Call, result: list[Any] | None, same: Callable[[Any, Any], bool]) -> bool:
    if result is None:
        return False
    if case.raises is not None:
        return raised(case.raises, [*result[2:3], *result[4:]])
    return len(result) == 2 and same(case.expected, result[1])


def _lacking(what: str) -> _Tally:
    """No word on the program, for what the tests need."""
    return _Tally(
        0, 0, f'{_cut(what, 300)}; protocol="joint" or "auto" (--protocol) runs them in one process'
    )


def _unfit(suite: Calls | Reference, case: Call) -> str:
    """Why no program can pass a case: what it gives or expects is not plain data. "" where one
    can."""
    values = [*map(suite.encoded, (*case.arguments, *case.keywords.values()))]
    for name, each in (
        ("an argument", values),
        ("the expected value", [case.expected] if not case.raises else []),
    ):
        try:
            decode(["list", *each])
        except Undecodable as error:
            return f"{name} is no plain data ({_cut(str(error).rpartition(': ')[2])})"
    return ""


def _verdict(result: bytes, nonce: str) -> dict[str, Any] | None:
    try:
        said = json.loads(result)
    except (ValueError, RecursionError):
        return None
    return (
        said
        if isinstance(said, dict) and secrets.compare_digest(str(said.get("nonce")), nonce)
        else None
    )


def _stopped(ended: Ended, limits: Limits) -> tuple[str, str]:
    """Why a process gave no answer, and the stage."""
    if ended.stopped == "output":
        return f"it writes more than {limits.output} bytes", "output"
    if ended.stopped == "time":
        return f"it does not end within {limits.clock:g} s", "time"
    # The kernel counts ticks; on a shared machine some of them were not the program's, and are not
    # in `seconds`.
    if ended.status == -9 and ended.seconds >= 0.7 * limits.seconds:
        return f"it uses more than {limits.seconds} s of processor time", "time"
    if ended.status < 0:
        return f"it is killed by signal {-ended.status}", "died"
    return f"it ends early, with status {ended.status}", "died"


def _key(text: str, suite: Suite) -> str:
    return hashlib.blake2b(
        f"{text}\0{suite.model_dump_json()}".encode(errors="surrogatepass")
    ).hexdigest()


def _said(result: Sequence[Any]) -> str:
    return _cut(f"{result[1]}: {result[2]}" if len(result) > 2 else str(result[1]), 200)


def _shown(result: Sequence[Any]) -> str:
    if len(result) > 3:
        return _cut(f"{result[2]}: {result[3]}", 200)
    return _cut(json.dumps(result[1]))


def _bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def _cut(text: str, longest: int = MAX_PRINTED) -> str:
    text = text.encode(
        errors="backslashreplace"
    ).decode()  # a lone surrogate can be neither printed nor saved
    return text if len(text) <= longest else text[: longest - 3] + "..."
