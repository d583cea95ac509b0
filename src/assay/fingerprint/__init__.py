"""Names by content: two things share a fingerprint only where nothing differs that could change
what they do.

A journal, a ledger or a checkpoint keeps work under the fingerprint of what did it, so what another
model, verifier or function did is never taken for its own. A name must hold in another process,
too: no memory address is in it.
"""

import copyreg
import functools
import inspect
import sys
import threading
import types
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from assay.errors import ConfigError
from assay.fingerprint.hashing import hash_of, of_path
from assay.fingerprint.modules import (
    imported,
    imports,
    installed,
    names_of,
    ours,
    package_of,
    places_of,
    revision_of,
    version_of,
)
from assay.fingerprint.networks import (
    NAMES_PLACES,
    PLAIN,
    attributes,
    passing,
    plain,
    readable,
)
from assay.renamed import original

__all__ = ["ByContent", "OfWrapped", "fingerprint"]


LOCKS: Final = (
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Event,
    threading.Condition,
    threading.local,
)

NOT_RUN: Final = frozenset({"__annotate__", "__annotate_func__"})
"""Functions in a class that give its annotations (Python 3.14), which are in no name before it."""

CODE_OF_A_CLASS: Final = (
    types.FunctionType,
    staticmethod,
    classmethod,
    property,
    functools.cached_property,
)


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


class OfWrapped:
    """An attribute that is the fingerprint of what the object wraps, in a field of that name.

    The object is named as what it wraps everywhere, so that wrapping changes no name of what holds
    it.
    """

    def __init__(self, field: str) -> None:
        self.field = field

    def __get__(self, thing: object, owner: type | None = None) -> str:
        return fingerprint(owner if thing is None else getattr(thing, self.field))


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
            return hash_of(type(thing).__name__, repr(thing))
        if id(thing) in self._known:
            return self._known[id(thing)][1]
        if id(thing) in self._open:
            return hash_of("cycle", str(len(self._open) - self._open[id(thing)]))
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
            return hash_of("own", own)
        if isinstance(given := _static_name(thing), OfWrapped):
            return self.digest(getattr(thing, given.field))
        match thing:
            case Path():
                return of_path(thing)
            case Enum():
                return self._all("enum", type(thing), thing.name)
            case types.ModuleType():
                return self._of_module(thing.__name__)
            case type():
                return self._of_class(thing)
            case tuple() | list() if type(thing) in (tuple, list):
                return self._all(type(thing).__name__, *thing)
            case dict() | types.MappingProxyType() if type(thing) in (dict, types.MappingProxyType):
                items = (self._all("item", key, value) for key, value in thing.items())
                return hash_of("mapping", *sorted(items))
            case set() | frozenset() if type(thing) in (set, frozenset):
                return hash_of("set", *sorted(map(self.digest, thing)))
        called = self._of_callable(thing)
        return called if called is not None else self._of_object(thing)

    def _of_callable(self, thing: Any) -> bytes | None:
        """Return the hash of a function or of what holds one; None for other things."""
        match thing:
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
            case _:
                return None

    def _of_object(self, thing: Any) -> bytes:
        """Hash of an object by its kind's own content, or by its class and state."""
        if isinstance(thing, LOCKS):
            return hash_of("lock")
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
            return hash_of("tokenizer", thing.to_str())
        if _is(thing, "pydantic", "BaseModel"):
            return self._all("record", type(thing), _written(thing))
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
            return hash_of("global", type(thing).__module__, state)
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
        if ours(cls.__module__):
            place = f"{cls.__module__}:{cls.__qualname__}"
            return hash_of("class", original(place).replace(":", "."), revision_of(place))
        if installed(cls.__module__):
            return hash_of("class", name, version_of(cls.__module__))
        code = {
            key: value
            for key, value in vars(cls).items()
            if (isinstance(value, CODE_OF_A_CLASS) and key not in NOT_RUN)
            or not key.startswith(("__", "_abc_"))
        }
        kind = None if type(cls) is type else type(cls)
        return self._all("class", cls.__qualname__, code, cls.__bases__, kind)

    def _of_function(self, function: types.FunctionType) -> bytes:
        """Hash of a function: its code, what it holds on to, and the globals that it names."""
        module = function.__module__ or ""
        if ours(module):
            held = [cell for cell in function.__closure__ or () if _is_full(cell)]
            return self._all(
                "function",
                function.__qualname__,
                revision_of(module),
                held,
                function.__defaults__,
            )
        parts: list[object] = [function.__code__, function.__defaults__, function.__kwdefaults__]
        parts += [cell for cell in function.__closure__ or () if _is_full(cell)]
        if installed(module):
            return self._all("function", module, function.__qualname__, version_of(module), *parts)
        used = {
            name: function.__globals__[name]
            for name in names_of(function.__code__)
            if name in function.__globals__
        }
        below = [self._of_module(name) for name in imported(function.__code__, package_of(module))]
        return hash_of(self._all("function", *parts, used, vars(function)), *below)

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
        if ours(name):
            return hash_of("module", revision_of(name))
        if installed(name):
            return hash_of("module", name, version_of(name))
        if name not in self._modules:
            # A module that imports this one in turn finds its name alone.
            self._modules[name] = hash_of("module", name)
            file = next((place for place in places_of(name) if place.endswith(".py")), None)
            if file is not None:
                source = Path(file).read_bytes()
                parts = [
                    self._of_module(other) for other in imports(source, file, package_of(name))
                ]
                self._modules[name] = hash_of("module", source, *parts)
        return self._modules[name]

    def _of_array(self, array: Any) -> bytes:
        if array.dtype.hasobject:
            return self._all("array", array.shape, array.tolist())
        content = array if array.flags.c_contiguous else array.copy(order="C")
        return hash_of(
            "array", str(array.dtype), str(array.shape), content.reshape(-1).view("uint8").data
        )

    def _of_tensor(self, tensor: Any) -> bytes:
        torch = sys.modules["torch"]
        if hasattr(tensor, "quant_state") or type(tensor).__module__.startswith("torchao."):
            raise ConfigError(
                f"a {type(tensor).__qualname__} is quantised, and its bytes alone do not say what"
                " it stands for; open the model by a word and let `weights` quantise it, or give"
                " what holds it an attribute `fingerprint`"
            )
        if tensor.is_meta:
            return hash_of("tensor", "meta", str(tensor.dtype), str(tuple(tensor.shape)))
        flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return hash_of("tensor", str(tensor.dtype), str(tuple(tensor.shape)), flat.data)

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
                if not passing(module, name)
            }
            tensors |= kept
        if isinstance(getattr(network, "made_from", None), str):
            # Quantised, or on a disk: it says itself what of, and that is among its attributes.
            tensors = {name: tensor for name, tensor in tensors.items() if readable(tensor)}
        classes = {name: type(module) for name, module in network.named_modules()}
        held = {name: attributes(module) for name, module in network.named_modules()}
        return self._all("network", classes, held, getattr(network, "config", None), tensors)

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
        return self._all("config", type(config), {key: plain(value) for key, value in body.items()})

    def _all(self, kind: str, *parts: object) -> bytes:
        return hash_of(kind, *map(self.digest, parts))


def _static_name(thing: object) -> object:
    """The attribute `fingerprint` of a thing's class, as it was written."""
    return inspect.getattr_static(type(thing), "fingerprint", None)


def _own_name(thing: object) -> str | None:
    """The name that a thing gives itself, by an attribute or a method `fingerprint`."""
    if isinstance(thing, (type, types.ModuleType)):
        return None
    match _static_name(thing):
        case ByContent():
            return None
        case OfWrapped(field=field):
            return _own_name(getattr(thing, field))
    given = getattr(thing, "fingerprint", None)
    if inspect.ismethod(given):
        given = given()
    return given if isinstance(given, str) else None


def _written(record: Any) -> dict[str, Any]:
    """Return the fields that a record is written with: those that came to be later do not change
    what named it before, where they hold nothing."""
    kept = {}
    for name, value in record:
        field = type(record).model_fields.get(name)
        if field is None or field.exclude_if is None or not field.exclude_if(value):
            kept[name] = value
    return kept


def _is(thing: object, module: str, name: str) -> bool:
    """Whether a thing is of a library's class, without importing the library."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return isinstance(found, type) and isinstance(thing, found)


def _is_full(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  an empty cell raises
    except ValueError:
        return False
    return True
