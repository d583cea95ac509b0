"""Serve the labelling page until Ctrl-C."""

import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from assay.annotate.store import Store
from assay.annotate_app.app import Quality, make_app
from assay.http.listener import Server, listening

__all__ = ["bound", "names", "serve", "server"]


def serve(
    store: Store,
    *,
    host: str = "127.0.0.1",
    port: int = 8123,
    public_url: str = "",
    tokens: Mapping[str, str] | None = None,
    quality: Quality | None = None,
    secret: bytes | None = None,
) -> None:
    """Serve a store's page, and print where it is.

    port: 0 takes a free one. public_url: where browsers reach it, behind a proxy with TLS. tokens:
    by name, of those whose invitation links are printed; a store keeps no token, and so they can be
    printed only by who has just drawn them. Raises `ConfigError` where it cannot listen.
    """
    there = bound(host, port)
    name, at = there.getsockname()[:2]
    url = public_url.rstrip("/") or f"http://{f'[{name}]' if ':' in name else name}:{at}"
    app = make_app(
        store, secret=secret, public_url=public_url, hosts=names(host, public_url), quality=quality
    )
    print(f"labelling {store.project.title!r} at {url}; Ctrl-C ends it", flush=True)
    for who, token in (tokens or {}).items():
        print(f"{who}: {url}/i/{token}", flush=True)
    server(app).run([there])


def server(app: ASGIApp) -> Server:
    """Return what runs the application: a log of failures only, as paths hold invitations, and no
    trust in headers that name a client. Connections are kept for as long as a label takes."""
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=5,
    )
    return Server(config)


def names(host: str, public_url: str = "") -> tuple[str, ...]:
    """Return the names that requests may ask for; () = any, where others can reach the server."""
    local = ("127.0.0.1", "localhost", "::1")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    public = urlsplit(public_url).hostname
    if public:
        return (public, *local)
    return (host, *local) if loopback else ()


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address. Raises `ConfigError` where there is none."""
    found = listening(host, port)
    found.listen(512)  # Whoever opens the page as soon as its address is printed waits for it.
    return found
