"""Plugin files: imports Python files by path and exposes them under their own names while in use."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from dfo_prompt._util.contained import contained
from dfo_prompt.errors import InputError, one_line

_modules: dict[Path, ModuleType] = {}
"""The modules of all imported files, whether they are in `sys.modules` now or not."""


@contextmanager
def importable(path: Path) -> Iterator[None]:
    """Make `import STEM` return this file's module inside a `with` block, as the targets of its specs expect.

    Outside the block another plugin file may use the same name.

    Raises:
        InputError: another module has the name, perhaps a plugin file in use, or the file cannot be imported.
    """
    before = sys.modules.get(path.stem)
    if (before is None and _names_a_module(path)) or (before is not None and before is not _modules.get(path)):
        raise InputError(f"plugin file {path} has the name of another module, {path.stem!r}; rename it")
    try:
        sys.modules[path.stem] = module_of(path)
        yield
    finally:
        sys.modules.pop(path.stem, None)
        if before is not None:
            sys.modules[path.stem] = before


def module_of(path: Path) -> ModuleType:
    """Import the file once and return its module.

    Raises:
        InputError: the file does not exist or cannot be imported.
    """
    if path not in _modules:
        spec = spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise InputError(f"plugin file {path} cannot be used: there is no such Python file")
        module = sys.modules[path.stem] = module_from_spec(spec)  # code such as dataclasses looks its own module up there
        try:
            with contained():
                spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            # The user named the file, so going on without it would surprise.
            raise InputError(f"plugin file {path} cannot be used: {one_line(error)}") from error
        _modules[path] = module
    return _modules[path]


def _names_a_module(path: Path) -> bool:
    """Tell whether `import STEM` finds a module other than this file."""
    try:
        spec = find_spec(path.stem)
    except (ImportError, ValueError):
        return False
    return spec is not None and (spec.origin is None or Path(spec.origin).resolve() != path)
