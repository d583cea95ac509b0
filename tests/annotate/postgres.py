"""A PostgreSQL server of the tests' own, on the loopback, for as long as they need it."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PLACES = [*Path("/usr/lib/postgresql").glob("*/bin"), Path(shutil.which("initdb") or "/").parent]


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty server, without its database; skip where there is no PostgreSQL."""
    pytest.importorskip("psycopg")
    binaries = next((place for place in PLACES if (place / "initdb").exists()), None)
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    # It refuses to run as root.
    user = "nobody" if os.getuid() == 0 else None
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "log").touch()
    data = folder / "data"
    initdb = [binaries / "initdb", "-D", data, "-N", "-U", "assay", "-A", "trust", "--no-locale"]
    subprocess.run([*initdb, "-E", "UTF8"], check=True, capture_output=True, user=user, cwd=folder)
    settings = ("listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off")
    arguments = [part for setting in settings for part in ("-c", setting)]
    process = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-p", str(port), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user,
        cwd=folder,
    )
    try:
        url = f"postgresql://assay:secret@127.0.0.1:{port}"
        _wait(url, process)
        yield url
    finally:
        # Ends what clients have open, where SIGTERM would wait for them.
        process.send_signal(signal.SIGINT)
        process.wait(20)
        shutil.rmtree(folder)


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    import psycopg

    for _ in range(200):
        assert process.poll() is None, "PostgreSQL did not start"
        try:
            psycopg.connect(f"{url}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("PostgreSQL did not answer")


def database(url: str, name: str) -> str:
    """Make a database; return its URL."""
    import psycopg

    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{url}/{name}"
