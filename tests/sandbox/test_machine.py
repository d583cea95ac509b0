"""Attacks on the machine: files, network, processes, resources, kernel. None has an effect at
either level, as root or as an ordinary user; and the attacks are real: without a sandbox they work.
"""

import functools
import json
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.reach import CLOSED
from tests.sandbox.runner import GROUPS, PYTHON, attacks

REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = ("namespaces root", "namespaces user", "landlock root", "landlock user")
UNCONFINED = ("reads", "writes", "network", "processes", "kernel")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
    pytest.mark.skipif(not PYTHON.exists(), reason=f"no {PYTHON}, which every user may run"),
]

KNOWN = {
    (
        "landlock",
        "the_size_of_a_file",
    ): "Landlock does not guard stat: names, sizes and times of files are told",
    (
        "landlock",
        "fills_the_disk_with_many_files",
    ): "the level says so: more disk than the limit, in many files",
    ("landlock", "makes_files_without_end"): "the level says so: many files",
    ("landlock user", "threads_without_end"): "threads are not counted",
}
"""What has an effect today, by level or by setting, and why."""


@functools.cache
def _started(setting: str, groups: tuple[str, ...]) -> "Future[dict[str, Any]]":
    return _pool().submit(_report, setting, groups)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2)


def _report(setting: str, groups: tuple[str, ...]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.sandbox.runner", *setting.split(), *groups]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _absent(setting: str) -> str:
    """Why a setting cannot be tried here; "" where it can."""
    root = os.getuid() == 0
    if setting.endswith("root") and not root:
        return "the tests were not started by root"
    if CLOSED and setting != "namespaces root":
        return CLOSED
    # Root gives its rights up for these, and bubblewrap lies in this environment.
    open_ = all(
        folder.stat().st_mode & 0o001 for folder in (Path(sys.prefix), *Path(sys.prefix).parents)
    )
    if setting.endswith("user") and root and not open_:
        return f"{sys.prefix} is closed to other users; clone into a folder that they may enter"
    return ""


def report(setting: str) -> dict[str, Any]:
    """What the runner reports; all settings are started at once, two at a time."""
    if why := _absent(setting):
        pytest.skip(why)
    for each in SETTINGS:
        if not _absent(each):
            _started(each, GROUPS)
    return _started(setting, GROUPS).result()


def known(setting: str, attack: str) -> bool:
    return any((where, attack) in KNOWN for where in (setting.split()[0], setting))


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("group", GROUPS)
def test_no_attack_has_an_effect_but_the_known(setting: str, group: str) -> None:
    """Those that take a second of processor time run in one setting only."""
    found = report(setting)[group]["attacks"]
    tried = [attack for attack in attacks(group) if attack in found]
    assert len(tried) > len(attacks(group)) / 2
    worked = {attack: found[attack] for attack in tried if not found[attack].startswith("blocked")}
    assert {*worked} == {attack for attack in tried if known(setting, attack)}, worked


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("group", GROUPS)
def test_after_a_group_everything_is_as_before(setting: str, group: str) -> None:
    seen = report(setting)[group]
    assert seen["before"][
        "honest"
    ]  # a suite that only counts attacks would pass where nothing runs
    assert seen["after"] == seen["before"]
    assert seen["after"]["changes"] == []


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_process_is_left_when_the_sandbox_is_closed(setting: str) -> None:
    seen = report(setting)["left"]
    assert seen["processes"] == []
    assert (seen["user"] == 0) == setting.endswith("root")


def test_the_attacks_are_real() -> None:
    """Without a sandbox they work: what "blocked" means above is that the sandbox blocked it."""
    if os.getuid() != 0:
        pytest.skip("they would do it as you; started by root, they do it as nobody")
    if CLOSED:
        pytest.skip(CLOSED)
    found = _started("trust-the-code user", UNCONFINED).result()
    worked = {
        name
        for group in UNCONFINED
        for name, said in found[group]["attacks"].items()
        if "effective" in said[:12]
    }
    must = {
        "reads": (
            "a_file_of_the_host a_file_mapped the_tests accounts the_environment_of_others"
            " the_memory_of_others"
        ),
        "writes": (
            "overwrites truncates deletes renames_over writes_through_a_symlink"
            " writes_through_a_mapping writes_after_its_end changes_the_mode"
        ),
        "network": "tcp tcp_by_a_raw_call udp unix_path unix_abstract netlink listens every_family",
        "processes": (
            "forks clones clones_by_the_new_call runs_a_shell spawns calls_subprocess"
            " threads_without_end kills_a_neighbour kills_by_a_handle owns_a_descriptor_s_signals"
            " takes_a_neighbour_s_descriptor"
        ),
        "kernel": (
            "new_namespaces other_namespaces programs_for_the_kernel foreign_fork keys devices"
            " mounts watching"
        ),
    }
    unreal = {name for names in must.values() for name in names.split()} - worked
    assert not unreal
    assert len(worked) >= 60
