"""Attempts to reach another process or machine. `world` has a listener for each door."""

import array
import ctypes
import os
import socket
import struct


def _says(connected):
    try:
        connected.sendall(b"CANARY")
    finally:
        connected.close()
    return "effective: connected"


def tcp(world):
    return _says(socket.create_connection(("127.0.0.1", world["tcp"]), 1))


def tcp_by_a_raw_call(world):
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.syscall(world["calls"]["socket"], 2, 1, 0)
    if handle < 0:
        raise OSError(ctypes.get_errno(), "socket")
    address = struct.pack("=H", 2) + struct.pack("!H4s8x", world["tcp"], bytes([127, 0, 0, 1]))
    if libc.syscall(world["calls"]["connect"], handle, address, 16) < 0:
        raise OSError(ctypes.get_errno(), "connect")
    return "effective: connected"


def tcp_v6(world):
    return _says(socket.create_connection(("::1", world["tcp"]), 1))


def udp(world):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"CANARY", ("127.0.0.1", world["udp"]))
    return "effective: sent"


def names(world):
    try:
        return f"effective: {socket.getaddrinfo('localhost.localdomain', 80)}"
    except socket.gaierror as error:
        return f"blocked: {error}"


def unix_path(world):
    client = socket.socket(socket.AF_UNIX)
    client.connect(world["unix"])
    return _says(client)


def unix_abstract(world):
    client = socket.socket(socket.AF_UNIX)
    client.connect("\0" + world["abstract"])
    return _says(client)


def unix_datagram(world):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"CANARY", "\0" + world["abstract"])
    return "effective: sent"


def daemons_of_the_host(world):
    for path in ("/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private"):
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        return f"effective: {path}"
    return None


def listens(world):
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"effective: {server.getsockname()}"


def every_family(world):
    made = []
    for family in range(64):
        for kind in (1, 2, 3, 4, 5, 10):
            try:
                socket.socket(family, kind).close()
                made.append((family, kind))
            except OSError as error:
                if error.errno != 1:  # the kernel was asked
                    made.append((family, kind, error.errno))
    return f"effective: {made[:10]}" if made else "blocked: no family of addresses"


def netlink(world):
    return f"effective: {socket.socket(16, socket.SOCK_RAW, 0)}"


def packets(world):
    return f"effective: {socket.socket(17, socket.SOCK_RAW, 3)}"


def virtual_machine_sockets(world):
    return f"effective: {socket.socket(40, socket.SOCK_STREAM)}"


def cryptography_sockets(world):
    return f"effective: {socket.socket(38, socket.SOCK_SEQPACKET)}"


def a_pair_of_datagrams(world):
    return f"effective: {socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)}"


def a_pair_that_connects_elsewhere(world):
    one, _ = socket.socketpair()
    one.connect("\0" + world["abstract"])
    return "effective: connected"


def a_pair_that_sends_elsewhere(world):
    one, _ = socket.socketpair()
    one.sendto(b"CANARY", "\0" + world["abstract"])
    return "effective: sent"


def a_pair_that_listens(world):
    one, _ = socket.socketpair()
    one.bind("\0mine")
    one.listen()
    return "effective: listening"


def descriptors_over_a_pair(world):
    one, _ = socket.socketpair()
    one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [4]))])
    return "effective: sent"


def a_pair_for_oneself(world):
    """What an event loop needs works: it reaches nobody."""
    one, other = socket.socketpair()
    one.sendall(b"x")
    return "blocked: only itself" if other.recv(1) == b"x" and os.getpid() else "effective: ?"
