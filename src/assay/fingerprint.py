"""Names by content: two things share a fingerprint only where nothing differs that could change
what they do.

A journal, a ledger or a checkpoint keeps work under the fingerprint of what did it, so what another
model, verifier or function did is never taken for its own. A name must hold in another process,
too: no memory address is in it.
"""

import copyreg
import dis
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import sys
import sysconfig
import threading
import types
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from assay.errors import ConfigError
from assay.renamed import original
from assay.revisions import REVISIONS

__all__ = ["ByContent", "fingerprint"]

SKIPPED_SUFFIXES: Final = frozenset({".html", ".md", ".lock", ".part", ".tmp"})
SKIPPED_NAMES: Final = frozenset(
    {
        "run.json",
        "training.json",
        "metrics.jsonl",
        "samples.jsonl",
        "checkpoint",
        "logs",
        "LICENSE",
        "__pycache__",
    }
)
"""Files and folders in a model's folder that say how it was made; nothing that it computes depends
on them."""

NAMES_PLACES: Final = (
    "_name_or_path",
    "name_or_path",
    "transformers_version",
    "_attn_implementation",
    "_commit_hash",
    "architectures",
    "dtype",
    "torch_dtype",
    "pad_token_id",
    "padding_idx",
)
"""Keys of a transformers configuration, or attributes, that change no output or are told by the
weights; saving and loading writes them anew."""

PLAIN: Final = frozenset(
    {bool, int, float, complex, str, bytes, type(None), type(...), type(NotImplemented)}
)
LOCKS: Final = (
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Event,
    threading.Condition,
    threading.local,
)
NO_ATTRIBUTES: Final = frozenset(
    {"training", "gradient_checkpointing", "_is_hf_initialized", "config", *NAMES_PLACES}
)
"""Attributes of a network that change no score."""

CODE_OF_A_CLASS: Final = (
    types.FunctionType,
    staticmethod,
    classmethod,
    property,
    functools.cached_property,
)
CHUNK: Final = 1 << 24
"""Bytes of a file that are hashed at once."""


def fingerprint(thing: object) -> str:
    """Return 32 hexadecimal digits that name a thing by all that changes what it does, the same in
    every process.

    Values are named by their content, and mappings and sets without regard to order; arrays and
    tensors by all their bytes; a `Path` by the file's bytes, or by those of every file in the
    folder but reports and metrics; networks by class, configuration, weights and buffers;
    tokenizers by vocabulary, rules and template. Functions are named by their compiled code,
    defaults, closure, and the globals that they name, as far as those are not of an installed
    library; dataclasses by class and the fields that take part in comparison; other objects by
    class and state. A class outside this library is named by the code of its methods, one of this
    library by the source of its package. An attribute or method `fingerprint` overrides all this.
    What a function reads from files, the network or the environment is not in it.

    Raises `ConfigError` for what has no content to be named by, such as an open file or a
    generator.
    """
    own = _own_name(thing)
    return own if own is not None else _Walk().name(thing)


class ByContent:
    """An attribute that is the fingerprint of the object that has it.

    It overrides nothing: the object is still named by its class and fields.
    """

    def __get__(self, thing: object, owner: type | None = None) -> str:
        return fingerprint(owner if thing is None else thing)


class _Walk:
    """One traversal: digests of what was met, and what is being walked through now."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, bytes]] = {}
        """By id; the object is kept so that its id is not given to another."""
        self._open: dict[int, int] = {}
        """Depth of every object that is not done yet, by id: a cycle comes back to one of them."""
        self._modules: dict[str, bytes] = {}
        """Hashes of a user's modules by name."""

    def name(self, thing: object) -> str:
        return self.digest(thing).hex()[:32]

    def digest(self, thing: object) -> bytes:
        """Hash of a thing."""
        if type(thing) in PLAIN:
            return _hash(type(thing).__name__, repr(thing))
        if id(thing) in self._known:
            return self._known[id(thing)][1]
        if id(thing) in self._open:
            return _hash("cycle", str(len(self._open) - self._open[id(thing)]))
        self._open[id(thing)] = len(self._open)
        try:
            digest = self._of(thing)
        finally:
            del self._open[id(thing)]
        self._known[id(thing)] = thing, digest
        return digest

    def _of(self, thing: Any) -> bytes:
        own = _own_name(thing)
        if own is not None:
            return _hash("own", own)
        match thing:
            case Path():
                return _of_path(thing)
            case Enum():
                return self._all("enum", type(thing), thing.name)
            case types.ModuleType():
                return self._of_module(thing.__name__)
            case type():
                return self._of_class(thing)
            case types.FunctionType():
                return self._of_function(thing)
            case types.CodeType():
                return self._of_code(thing)
            case types.MethodType():
                return self._all("method", thing.__self__, thing.__func__)
            case types.BuiltinFunctionType():
                bound = None if isinstance(thing.__self__, types.ModuleType) else thing.__self__
                return self._all("builtin", thing.__module__, thing.__qualname__, bound)
            case types.CellType():
                return self._all("cell", thing.cell_contents)
            case staticmethod() | classmethod():
                return self._all(type(thing).__name__, thing.__func__)
            case property():
                return self._all("property", thing.fget)
            case functools.cached_property():
                return self._all("property", thing.func)
            case functools.partial():
                return self._all("partial", thing.func, thing.args, thing.keywords)
            case tuple() | list() if type(thing) in (tuple, list):
                return self._all(type(thing).__name__, *thing)
            case dict() | types.MappingProxyType() if type(thing) in (dict, types.MappingProxyType):
                return _hash(
                    "mapping",
                    *sorted(self._all("item", key, value) for key, value in thing.items()),
                )
            case set() | frozenset() if type(thing) in (set, frozenset):
                return _hash("set", *sorted(map(self.digest, thing)))
            case _:
                return self._of_object(thing)

    def _of_object(self, thing: Any) -> bytes:
        """Hash of an object by its kind's own content, or by its class and state."""
        if isinstance(thing, LOCKS):
            return _hash("lock")
        if _is(thing, "numpy", "ndarray"):
            return self._of_array(thing)
        if _is(thing, "torch", "Tensor"):
            return self._of_tensor(thing)
        if _is(thing, "torch", "nn.Module"):
            return self._of_network(thing)
        if _is(thing, "transformers", "PreTrainedTokenizerBase"):
            return self._of_tokenizer(thing)
        if _is(thing, "transformers", "PretrainedConfig"):
            return self._of_config(thing)
        if _is(thing, "tokenizers", "Tokenizer"):
            return _hash("tokenizer", thing.to_str())
        if _is(thing, "pydantic", "BaseModel"):
            return self._all("record", type(thing), dict(thing))
        if is_dataclass(thing):
            compared = {f.name: getattr(thing, f.name) for f in fields(thing) if f.compare}
            return self._all("dataclass", type(thing), compared)
        if callable(wrapped := getattr(thing, "__wrapped__", None)):
            return self._all("wrapped", type(thing), wrapped)
        return self._of_state(thing)

    def _of_state(self, thing: Any) -> bytes:
        """Hash of what pickling an object would keep of it."""
        try:
            reduce = copyreg.dispatch_table.get(type(thing))
            state = thing.__reduce_ex__(4) if reduce is None else reduce(thing)
        except Exception as error:  # noqa: BLE001  any class may refuse, in its own way
            raise ConfigError(
                f"a {type(thing).__module__}.{type(thing).__qualname__} has no content to be named"
                f" by ({error}), so what it did could not be told from what another did; give what"
                " holds it an attribute `fingerprint`, a text that differs whenever its"
                " results may"
            ) from None
        if isinstance(state, str):
            return _hash("global", type(thing).__module__, state)
        make, arguments, *rest = state
        parts = [
            list(part) if index in (1, 2) and part is not None else part
            for index, part in enumerate(rest)
        ]
        return self._all("object", type(thing), make, arguments, *parts)

    def _of_class(self, cls: type) -> bytes:
        """Hash of a class: the revision of its package where it is ours, its methods where it is a
        user's."""
        name = f"{cls.__module__}.{cls.__qualname__}"
        if _ours(cls.__module__):
            place = f"{cls.__module__}:{cls.__qualname__}"
            return _hash("class", original(place).replace(":", "."), _revision_of(place))
        if _installed(cls.__module__):
            return _hash("class", name, _version_of(cls.__module__))
        code = {
            key: value
            for key, value in vars(cls).items()
            if isinstance(value, CODE_OF_A_CLASS) or not key.startswith(("__", "_abc_"))
        }
        kind = None if type(cls) is type else type(cls)
        return self._all("class", cls.__qualname__, code, cls.__bases__, kind)

    def _of_function(self, function: types.FunctionType) -> bytes:
        """Hash of a function: its code, what it holds on to, and the globals that it names."""
        module = function.__module__ or ""
        if _ours(module):
            held = [cell for cell in function.__closure__ or () if _is_full(cell)]
            return self._all(
                "function",
                function.__qualname__,
                _revision_of(module),
                held,
                function.__defaults__,
            )
        parts: list[object] = [function.__code__, function.__defaults__, function.__kwdefaults__]
        parts += [cell for cell in function.__closure__ or () if _is_full(cell)]
        if _installed(module):
            return self._all("function", module, function.__qualname__, _version_of(module), *parts)
        used = {
            name: function.__globals__[name]
            for name in _names(function.__code__)
            if name in function.__globals__
        }
        imported = [
            self._of_module(name) for name in _imported(function.__code__, _package_of(module))
        ]
        return _hash(self._all("function", *parts, used, vars(function)), *imported)

    def _of_code(self, code: types.CodeType) -> bytes:
        """Hash of compiled code, without the file and the lines that it is from."""
        arguments = (
            code.co_argcount,
            code.co_posonlyargcount,
            code.co_kwonlyargcount,
            code.co_flags,
        )
        names = (code.co_names, code.co_freevars, code.co_cellvars)
        return self._all(
            "code", code.co_code, code.co_exceptiontable, code.co_consts, names, arguments
        )

    def _of_module(self, name: str) -> bytes:
        """Hash of a module: name and version of an installed one; the source of others, and of what
        they import."""
        if _ours(name):
            return _hash("module", _revision_of(name))
        if _installed(name):
            return _hash("module", name, _version_of(name))
        if name not in self._modules:
            # A module that imports this one in turn finds its name alone.
            self._modules[name] = _hash("module", name)
            file = next((place for place in _places_of(name) if place.endswith(".py")), None)
            if file is not None:
                source = Path(file).read_bytes()
                parts = [
                    self._of_module(other) for other in _imports(source, file, _package_of(name))
                ]
                self._modules[name] = _hash("module", source, *parts)
        return self._modules[name]

    def _of_array(self, array: Any) -> bytes:
        if array.dtype.hasobject:
            return self._all("array", array.shape, array.tolist())
        content = array if array.flags.c_contiguous else array.copy(order="C")
        return _hash(
            "array", str(array.dtype), str(array.shape), content.reshape(-1).view("uint8").data
        )

    def _of_tensor(self, tensor: Any) -> bytes:
        torch = sys.modules["torch"]
        if tensor.is_meta:
            return _hash("tensor", "meta", str(tensor.dtype), str(tuple(tensor.shape)))
        flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return _hash("tensor", str(tensor.dtype), str(tuple(tensor.shape)), flat.data)

    def _of_network(self, network: Any) -> bytes:
        """Hash of a torch module: classes, plain attributes, configuration, every weight and
        buffer."""
        tensors = dict(network.named_parameters())
        for place, module in network.named_modules():
            # Those that are not saved follow from the configuration; some change with what was
            # scored last.
            kept = {
                name: b
                for name, b in module.named_buffers(place, recurse=False)
                if not _passing(module, name)
            }
            tensors |= kept
        classes = {name: type(module) for name, module in network.named_modules()}
        attributes = {name: _attributes(module) for name, module in network.named_modules()}
        return self._all("network", classes, attributes, getattr(network, "config", None), tensors)

    def _of_tokenizer(self, tokenizer: Any) -> bytes:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        words = (
            backend.to_str()
            if backend is not None
            else [tokenizer.get_vocab(), str(tokenizer.init_kwargs)]
        )
        special = {key: str(value) for key, value in tokenizer.special_tokens_map.items()}
        return self._all("tokenizer", words, special, tokenizer.chat_template)

    def _of_config(self, config: Any) -> bytes:
        body = {key: value for key, value in config.to_dict().items() if key not in NAMES_PLACES}
        return self._all(
            "config", type(config), {key: _plain(value) for key, value in body.items()}
        )

    def _all(self, kind: str, *parts: object) -> bytes:
        return _hash(kind, *map(self.digest, parts))


def _hash(*parts: str | bytes | memoryview) -> bytes:
    """Hash of parts, each with its length, so that no two lists of parts read alike."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        size = content.nbytes if isinstance(content, memoryview) else len(content)
        digest.update(size.to_bytes(8, "little"))
        digest.update(content)
    return digest.digest()


def _own_name(thing: object) -> str | None:
    """The name that a thing gives itself, by an attribute or a method `fingerprint`."""
    if isinstance(thing, (type, types.ModuleType)):
        return None
    if isinstance(inspect.getattr_static(type(thing), "fingerprint", None), ByContent):
        return None
    given = getattr(thing, "fingerprint", None)
    if inspect.ismethod(given):
        given = given()
    return given if isinstance(given, str) else None


def _is(thing: object, module: str, name: str) -> bool:
    """Whether a thing is of a library's class, without importing the library."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return isinstance(found, type) and isinstance(thing, found)


def _passing(module: Any, name: str) -> bool:
    """Whether a buffer is one of a library's class that is not saved with the weights."""
    return name.rpartition(".")[2] in module._non_persistent_buffers_set and _installed(
        type(module).__module__
    )


def _attributes(module: Any) -> dict[str, Any]:
    """What a network's part keeps beside weights: all that a user's class holds, of a library's
    class what is plain."""
    kept = {
        key: value
        for key, value in vars(module).items()
        if key not in NO_ATTRIBUTES and not (key.startswith("_") and key in _INTERNAL)
    }
    if _installed(type(module).__module__):
        # Rotary embeddings follow from the configuration, and some note the longest sequence that
        # they have met.
        if hasattr(module, "rope_type"):
            return {}
        # What a network has counted or warned of is not plain state of its output; LoRA's scaling
        # is.
        return {
            k: v
            for k, v in kept.items()
            if _is_plain(v) and k != "warnings_issued" and not k.startswith("_")
        }
    return kept


_INTERNAL: Final = frozenset(
    f"_{name}"
    for name in (
        "parameters",
        "buffers",
        "modules",
        "non_persistent_buffers_set",
        "is_full_backward_hook",
        "backward_hooks",
        "backward_pre_hooks",
        "forward_hooks",
        "forward_pre_hooks",
        "forward_hooks_with_kwargs",
        "forward_hooks_always_called",
        "forward_pre_hooks_with_kwargs",
        "state_dict_hooks",
        "state_dict_pre_hooks",
        "load_state_dict_pre_hooks",
        "load_state_dict_post_hooks",
    )
)
"""What torch itself keeps in every module: the tensors are hashed on their own."""


def _is_plain(value: object) -> bool:
    """Whether a value is a number, a text, or a container of such."""
    if isinstance(value, dict):
        return all(_is_plain(inner) for inner in value.values())
    if isinstance(value, (list, tuple, set)):
        return all(map(_is_plain, value))
    return type(value) in PLAIN


def _plain(value: object) -> object:
    """A configuration's value as plain data."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items() if key not in NAMES_PLACES}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value if value is None or type(value) in PLAIN else str(value)


def _names(code: types.CodeType) -> list[str]:
    """Global names that code uses, those of functions inside it too."""
    inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    found = dict.fromkeys(code.co_names)
    for each in inner:
        found |= dict.fromkeys(_names(each))
    return list(found)


def _imported(code: types.CodeType, package: str) -> list[str]:
    """Names of modules that code imports, at its top or in functions inside it; of what is imported
    from a package, too, where it is a module."""
    found: set[str] = set()
    lines = list(dis.get_instructions(code))
    for level, names, instruction in zip(lines, lines[1:], lines[2:], strict=False):
        if instruction.opname != "IMPORT_NAME":
            continue
        try:
            name = importlib.util.resolve_name("." * level.argval + instruction.argval, package)
        except ImportError:
            continue
        inner = [f"{name}.{each}" for each in names.argval or ()]
        found |= {each for each in (name, *inner) if _ours(each) or _places_of(each)}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= set(_imported(constant, package))
    return sorted(found)


def _imports(source: bytes, file: str, package: str) -> list[str]:
    """Names of modules that a module's source imports; none where it is no Python."""
    try:
        return _imported(compile(source, file, "exec", dont_inherit=True), package)
    except (SyntaxError, ValueError):
        return []


def _package_of(module: str) -> str:
    """The package that a module's relative imports start from."""
    found = sys.modules.get(module)
    package = getattr(found, "__package__", None)
    if isinstance(package, str):
        return package
    return (
        module
        if any(not place.endswith(".py") for place in _places_of(module))
        else module.rpartition(".")[0]
    )


def _is_full(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  an empty cell raises
    except ValueError:
        return False
    return True


def _ours(module: str) -> bool:
    return module == "assay" or module.startswith("assay.")


def _revision_of(name: str) -> str:
    """Return the revision of the package that a `module` or `module:name` of ours came from.

    A package without one is named by its source.
    """
    _, _, inside = original(name).partition(".")
    package = inside.partition(":")[0].partition(".")[0]
    if package in REVISIONS:
        return REVISIONS[package]
    return _source_of(".".join(name.partition(":")[0].split(".")[:2]))


@functools.cache
def _source_of(room: str) -> str:
    """Hash of a package's or a module's source."""
    files: list[Path] = []
    for place in map(Path, _places_of(room)):
        package = place.is_dir() or (place.name == "__init__.py" and room != "assay")
        folder = place if place.is_dir() else place.parent
        files += sorted(folder.rglob("*.py")) if package else [place]
    return _hash(*(part for file in files for part in (file.name, file.read_bytes()))).hex()


@functools.cache
def _installed(module: str) -> bool:
    """Whether a module is the standard library's or an installed library's, and not a user's
    own."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return True
    places = _places_of(top) or _places_of(module)
    homes = [Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")]
    return any(Path(place).resolve().is_relative_to(home) for place in places for home in homes)


def _places_of(module: str) -> list[str]:
    """The file or the folders of a module, imported or not."""
    found = sys.modules.get(module)
    if found is not None:
        file = getattr(found, "__file__", None)
        return [file] if file else list(getattr(found, "__path__", ()))
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    return [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())


@functools.cache
def _distributions() -> dict[str, str]:
    """The first distribution that brings each top-level module."""
    return {
        module: names[0] for module, names in importlib.metadata.packages_distributions().items()
    }


@functools.cache
def _version_of(module: str) -> str:
    """Version of the library that a module is of; the hash of its source where it has none."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return ".".join(map(str, sys.version_info[:2]))
    version = getattr(sys.modules.get(top), "__version__", None)
    if isinstance(version, str):
        return version
    try:
        return importlib.metadata.version(_distributions().get(top, top))
    except importlib.metadata.PackageNotFoundError:
        return _source_of(top) if _places_of(top) else ""


def _of_path(path: Path) -> bytes:
    """Hash of a file or of a folder's files; of a path where nothing is, its name."""
    if path.is_file():
        return _hash("file", _of_file(path))
    if not path.is_dir():
        return _hash("path", str(path))
    parts: list[str | bytes] = []
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path)
        hidden = any(part.startswith(".") or part in SKIPPED_NAMES for part in inside.parts)
        if file.is_file() and not hidden and file.suffix not in SKIPPED_SUFFIXES:
            parts += [inside.as_posix(), _of_file(file)]
    return _hash("folder", *parts)


def _of_file(path: Path) -> bytes:
    stat = path.stat()
    return _of_bytes(str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino)


@functools.lru_cache(maxsize=4096)
def _of_bytes(path: str, *_stat: int) -> bytes:
    """Hash of a file, computed once while size, time and inode stay what they were."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
