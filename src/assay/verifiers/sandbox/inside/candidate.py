"""The program's side of assertion tests: functions and objects that the tests, in another process, may call."""

import json
import os
from typing import Any, NoReturn

from .codec import decode, encode
from .roles import load, read_job, said, write

__all__ = ["candidate"]

CALLS_IN, CALLS_OUT = 5, 6


def candidate() -> NoReturn:
    """Load the program, then answer calls until the tests end.

    Job: `code`. First line out: `{"names": [...]}` or `{"error": type, "said": message}`. A call is `{"call": name or
    object number, "get": attribute or null, "arguments": ..., "keywords": ...}`, or without arguments to read an
    attribute. The answer is `{"value": ...}`, with `"changed"` holding the arguments where the call changed them, or an
    error. Values that are not plain data stay here, and go out as numbers.
    """
    job = read_job()
    objects: list[Any] = []

    def keep(value: Any) -> int:
        for number, known in enumerate(objects):
            if known is value:
                return number
        objects.append(value)
        return len(objects) - 1

    def known(number: Any, _: str) -> Any:
        return names[number] if isinstance(number, str) else objects[number]

    try:
        names = load(job["code"], "solution")
    except BaseException as error:  # noqa: BLE001
        write({"error": type(error).__name__, "said": said(error)}, CALLS_OUT)
        os._exit(0)
    write({"names": [str(name) for name in names if not name.startswith("__")]}, CALLS_OUT)
    with os.fdopen(CALLS_IN, "rb") as requests:
        for line in requests:
            call = json.loads(line)
            try:
                target = names[call["call"]] if isinstance(call["call"], str) else objects[call["call"]]
                if call["get"] == "bool()":
                    target = bool(target)
                elif call["get"] is not None:
                    target = getattr(target, call["get"])
                if "arguments" not in call:
                    write({"value": encode(target, keep)}, CALLS_OUT)
                    continue
                arguments, keywords = decode(call["arguments"], known), decode(call["keywords"], known)
                answer = {"value": encode(target(*arguments, **keywords), keep)}
                changed = encode(arguments, keep)
                if changed != call["arguments"]:
                    answer["changed"] = changed
            except BaseException as error:  # noqa: BLE001
                answer = {"error": type(error).__name__, "said": said(error)}
            write(answer, CALLS_OUT)
    os._exit(0)
