"""Plugin files: imports Python files by path and exposes them under their own names while in use."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from threading import RLock
from types import CodeType, ModuleType

from dfo_prompt._util.contained import contained
from dfo_prompt.errors import InputError, one_line

_modules: dict[Path, tuple[str, ModuleType]] = {}
"""The digests and the modules of all imported files, whether they are in `sys.modules` now or not."""
_users: Counter[Path] = Counter()
"""The number of `with` blocks, of all threads, that use each file now."""
_lock = RLock()


@contextmanager
def importable(path: Path) -> Iterator[None]:
    """Make `import STEM` return this file's module inside a `with` block, as the targets of its specs expect.

    Blocks inside one another, or in several threads, share the module; a block that is alone reads an edited file again.
    After the last block another plugin file may use the same name.

    Raises:
        InputError: another module has the name, perhaps a plugin file in use, or the file cannot be imported.
    """
    with _lock:
        if not _users[path]:
            if path.stem in sys.modules or _names_a_module(path):
                raise InputError(f"plugin file {path} has the name of another module, {path.stem!r}; rename it")
            try:
                sys.modules[path.stem] = _import(path)
            except BaseException:
                sys.modules.pop(path.stem, None)
                raise
        _users[path] += 1
    try:
        yield
    finally:
        with _lock:
            _users[path] -= 1
            if not _users[path]:
                sys.modules.pop(path.stem, None)


def module_of(path: Path) -> ModuleType:
    """Return the module of a file that `importable` has imported."""
    return _modules[path][1]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file's content when it was imported last; "" if it never was."""
    return _modules[path][0] if path in _modules else ""


class _Loader(SourceFileLoader):
    """Loads source that was read before, so that the digest is that of the code, and no older bytecode is taken for it."""

    def __init__(self, path: Path, source: bytes) -> None:
        super().__init__(path.stem, str(path))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - importlib's signature
        return self.source_to_code(self._source, self.path)


def _import(path: Path) -> ModuleType:
    """Import the file, unless its content is that of its last import, and return its module.

    Raises:
        InputError: the file does not exist or cannot be imported.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise InputError(f"plugin file {path} cannot be used: there is no such Python file") from error
    digest = sha256(source).hexdigest()
    if digest != digest_of(path):
        _modules.pop(path, None)
        spec = spec_from_file_location(path.stem, path, loader=_Loader(path, source) if path.suffix == ".py" else None)
        if spec is None or spec.loader is None:
            raise InputError(f"plugin file {path} cannot be used: there is no such Python file")
        module = sys.modules[path.stem] = module_from_spec(spec)  # code such as dataclasses looks its own module up there
        try:
            with contained():
                spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            # The user named the file, so going on without it would surprise.
            raise InputError(f"plugin file {path} cannot be used: {one_line(error)}") from error
        _modules[path] = digest, module
    return _modules[path][1]


def _names_a_module(path: Path) -> bool:
    """Tell whether `import STEM` finds a module other than this file."""
    try:
        spec = find_spec(path.stem)
    except (ImportError, ValueError):
        return False
    return spec is not None and (spec.origin is None or Path(spec.origin).resolve() != path)
