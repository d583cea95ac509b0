"""Put saved reward models on the hub, and fetch them from it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from assay.errors import BackendError, ConfigError, MissingExtra
from assay.http.reach import hub_unreachable, offline
from assay.runs.outputs import check_new

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Pulled", "Pushed", "pull", "push"]

FILES: Final = (
    *("config.json", "generation_config.json", "reward_model.json", "calibration.json"),
    *("*.safetensors", "*.safetensors.index.json", "adapter_config.json", "chat_template*"),
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt"),
    *("*.model", "LICENSE*", "NOTICE*"),
)
"""What a model is made of. Of a run, settings, texts and pages are not pushed: they name this
machine's folders and hold the data's texts."""
REFERENCE: Final = "reference"
"""Folder of what an implicit reward model started from."""
CARD: Final = "README.md"
KEPT: Final = (".gitattributes",)
"""What the hub itself puts into a new repository."""


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """A model on the hub."""

    name: str
    commit: str
    files: int
    private: bool

    def __str__(self) -> str:
        """Where it is, and who sees it."""
        seen = "private" if self.private else "public"
        return f"pushed {self.files} files to {self.name} ({seen}), commit {self.commit}"


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """A model that came from the hub."""

    folder: Path
    commit: str
    ours: bool
    """Whether it says itself how it is read."""

    def __str__(self) -> str:
        """Where it lies, and what to do with one that others saved."""
        said = "" if self.ours else "; another program saved it: `assay models import` reads it"
        return f"{self.folder}: commit {self.commit}{said}"


def push(
    folder: str | Path,
    name: str,
    *,
    public: bool = False,
    audit: str | Path | None = None,
    gate: str | Path | None = None,
    overwrite: bool = False,
) -> Pushed:
    """Put a saved reward model on the hub in one commit, with a card made from its run.

    name: owner/name. public: whether a repository that is made is public; one that is there stays
    what it is. audit, gate: an audit's folder and a gate's file of this model, for the card. A card
    that somebody else wrote beside the weights is pushed as it is. Raises `ConfigError` where the
    folder holds no finished model, where the repository holds files and `overwrite` is not given,
    and where there is no token; `BackendError` where the hub refuses.
    """
    api = _api(name)
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, get_token

    from assay.models.checkpoint import read_manifest

    folder = Path(folder)
    read_manifest(folder)
    text = _card(folder, name, audit, gate)
    local = {str(path.relative_to(folder)): path for path in _files(folder)}
    if get_token() is None:
        raise ConfigError("there is no token of the hub; `hf auth login`, or set HF_TOKEN")
    with _said(name):
        api.create_repo(name, private=not public, exist_ok=True)
        there = api.model_info(name)
        known = {one.rfilename for one in there.siblings or []} - {*KEPT}
        if known and not overwrite:
            raise ConfigError(
                f"{name} holds {len(known)} files, such as {min(known)}; give another name, or"
                " --overwrite"
            )
        # Shards of another model beside this one's would be read with it.
        stale = {path for path in known - local.keys() if _is_of_a_model(path)}
        adds = [CommitOperationAdd(path, str(file)) for path, file in local.items()]
        commit = api.create_commit(
            name,
            [
                *adds,
                CommitOperationAdd(CARD, text.encode()),
                *(CommitOperationDelete(path) for path in sorted(stale)),
            ],
            commit_message=f"Push of {folder.resolve().name} by assay",
            # Refused where somebody else has pushed in the meantime.
            parent_commit=there.sha,
        )
    return Pushed(name=name, commit=commit.oid, files=len(adds) + 1, private=bool(there.private))


def pull(name: str, out: str | Path, *, revision: str | None = None) -> Pulled:
    """Fetch a reward model from the hub into a new folder: weights and what reads them, never code.

    It is whole or not there: files come into a folder beside it, where a pull that was broken off
    goes on. Raises `ConfigError` where `out` holds anything, or what came is no model;
    `BackendError` where the hub refuses.
    """
    api = _api(name)
    out = Path(out)
    check_new(out)
    part = out.with_name(f".{out.name}.part")
    with _said(name):
        there = api.model_info(name, revision=revision)
        names = [one.rfilename for one in there.siblings or []]
        names = [path for path in names if path == CARD or _is_of_a_model(path)]
        if "config.json" not in names or not any(path.endswith(".safetensors") for path in names):
            raise ConfigError(f"{name} holds no model in safetensors")
        commit = str(there.sha)
        _begin(part, f"{name} {commit}")
        api.snapshot_download(name, revision=commit, local_dir=part, allow_patterns=names)
    shutil.rmtree(part / ".cache", ignore_errors=True)
    (part / ".of").unlink()
    if out.is_dir():
        out.rmdir()
    part.rename(out)
    return Pulled(folder=out, commit=commit, ours=(out / "reward_model.json").is_file())


def _begin(part: Path, of: str) -> None:
    """Go on with a folder that was begun, unless it is of another commit."""
    mark = part / ".of"
    if part.exists() and (not mark.is_file() or mark.read_text() != of):
        shutil.rmtree(part)
    part.mkdir(parents=True, exist_ok=True)
    mark.write_text(of)


def _card(folder: Path, name: str, audit: str | Path | None, gate: str | Path | None) -> str:
    """The card to push: somebody else's as it is, or one that is made."""
    from assay.runs.settings import read_body
    from assay.workflows._hub_card import hub_card

    path, run = folder / CARD, folder / "run.json"
    ours = not path.exists() or (run.is_file() and CARD in read_body(run).get("files", ()))
    if ours:
        audit, gate = (value and Path(value) for value in (audit, gate))
        return hub_card(folder, name, audit=audit or None, gate=gate or None)
    if audit or gate:
        raise ConfigError(
            f"{path} was written by somebody else and is pushed as it is; move it away for a card"
            " with the audit or the gate"
        )
    return path.read_text()


def _files(folder: Path) -> list[Path]:
    places = (folder, folder / REFERENCE)
    found = (path for place in places if place.is_dir() for path in sorted(place.iterdir()))
    return [path for path in found if path.is_file() and _is_of_a_model(path.name)]


def _is_of_a_model(path: str) -> bool:
    name = path.removeprefix(f"{REFERENCE}/")
    return "/" not in name and any(fnmatch(name, pattern) for pattern in FILES)


def _api(name: str) -> "HfApi":
    try:
        from huggingface_hub import HfApi
    except ModuleNotFoundError as error:
        raise MissingExtra("the hub", "hub") from error
    if name.count("/") != 1:
        raise ConfigError(f"{name!r} is no name of the hub; give owner/name")
    if why := "HF_HUB_OFFLINE is set" if offline() else hub_unreachable():
        raise ConfigError(f"the hub cannot be reached ({why})")
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="assay")


@contextmanager
def _said(name: str) -> Iterator[Any]:
    """Say in a line what the hub refused, without the token."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    # Of httpx or httpx2, whichever the hub's client is made with.
    transport = cast(type[Exception], HfHubHTTPError.__bases__[0])
    try:
        yield
    except HFValidationError as error:
        raise ConfigError(f"{name!r} is no name of the hub: {error}") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        advice = {
            401: "; the token is not known to it, `hf auth login` takes another",
            403: "; the token may not do that: it has to write",
            404: "; there is no such repository, or the token may not see it",
            412: "; somebody has pushed in the meantime",
        }.get(status, "")
        line = " ".join(str(error).split())[:300].replace(get_token() or "\0", "***")
        raise BackendError(f"{name}: the hub answers {status}{advice} ({line})") from None
    except (transport, OSError, RuntimeError) as error:
        # Of a transfer that broke off.
        why = " ".join(f"{error} {error.__cause__ or ''}".split())[:300]
        raise BackendError(
            f"{name}: the transfer broke off; run it again, which goes on where it was ({why})"
        ) from None
