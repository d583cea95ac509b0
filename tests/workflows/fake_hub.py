"""A hub on loopback: repositories in memory, in the words that `huggingface_hub` speaks (without
xet: small files in the commit, large ones by LFS)."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit


class Hub:
    """What the server holds, and what it was asked."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.blobs: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.refuse: dict[str, int] = {}
        """Part of a request -> the status it is answered with."""
        self.before_commit: Any = lambda: None
        self.url = ""

    def sha(self, name: str) -> str:
        files = sorted(
            (path, hashlib.sha1(data).hexdigest()) for path, data in self.repos[name].items()
        )
        return hashlib.sha1(repr(files).encode()).hexdigest()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        for part, status in self.refuse.items():
            if part in f"{method} {path}":
                return status, {"error": "refused"}
        words = path.strip("/").split("/")
        if path == "/api/repos/create":
            given = json.loads(body)
            name = f"{given['organization']}/{given['name']}"
            status = 409 if name in self.repos else 200
            if status == 200:
                self.repos[name] = {".gitattributes": b"*.safetensors filter=lfs\n"}
                self.private[name] = given.get("visibility") == "private"
            return status, {"url": f"{self.url}/{name}"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if words[0] == "lfs":
            assert hashlib.sha256(body).hexdigest() == words[1]
            self.blobs[words[1]] = body
            return 200, {}
        if path.endswith("/objects/batch"):
            return 200, {"objects": [self._batch(one) for one in json.loads(body)["objects"]]}
        name = "/".join(words[2:4])
        if name not in self.repos:
            return 404, {"error": "Repository not found"}
        return self._repository(name, words[4] if words[4:] else "", body)

    def _batch(self, one: dict[str, Any]) -> dict[str, Any]:
        upload = {"upload": {"href": f"{self.url}/lfs/{one['oid']}"}}
        return one if one["oid"] in self.blobs else one | {"actions": upload}

    def _repository(self, name: str, verb: str, body: bytes) -> tuple[int, Any]:
        files = self.repos[name]
        if verb == "preupload":
            return 200, {
                "files": [
                    {"path": one["path"], "shouldIgnore": False,
                     "uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular"}
                    for one in json.loads(body)["files"]
                ]
            }  # fmt: skip
        if verb == "tree":
            return 200, [{"type": "file", "path": path, "size": len(data), "oid": etag(data)}
                         for path, data in files.items()]  # fmt: skip
        if verb == "commit":
            self.before_commit()
            lines = [json.loads(line) for line in body.splitlines()]
            if lines[0]["value"]["parentCommit"] != self.sha(name):
                return 412, {"error": "A commit has happened since. Please refresh and try again."}
            for line in lines[1:]:
                value = line["value"]
                if line["key"] == "deletedFile":
                    del files[value["path"]]
                elif line["key"] == "lfsFile":
                    files[value["path"]] = self.blobs[value["oid"]]
                else:
                    files[value["path"]] = base64.b64decode(value["content"])
            sha = self.sha(name)
            return 200, {"commitUrl": f"{self.url}/{name}/commit/{sha}", "commitOid": sha}
        info = {"id": name, "sha": self.sha(name), "private": self.private[name]}
        return 200, info | {"siblings": [{"rfilename": path} for path in files]}


def etag(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def served() -> Iterator[Hub]:
    """Serve a hub on a free port of 127.0.0.1."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def _any(self) -> None:
            path = unquote(urlsplit(self.path).path)
            body = self._body()
            hub.tokens.add(self.headers.get("Authorization", ""))
            words = path.strip("/").split("/")
            headers = {}
            if words[2:3] == ["resolve"]:
                status, sent = self._file(path, words, headers)
            else:
                status, answer = hub.answer(self.command, path, body)
                sent, headers["Content-Type"] = json.dumps(answer).encode(), "application/json"
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(sent))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(sent)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _file(self, path: str, words: list[str], headers: dict[str, str]) -> tuple[int, bytes]:
            hub.asked.append(f"{self.command} {path}")
            name, file = "/".join(words[:2]), "/".join(words[4:])
            for part, status in hub.refuse.items():
                if part in f"{self.command} {path}":
                    return status, b""
            data = hub.repos[name][file]
            headers |= {"ETag": f'"{etag(data)}"', "X-Repo-Commit": hub.sha(name)}
            return 200, data

        do_GET = do_HEAD = do_POST = do_PUT = _any

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
