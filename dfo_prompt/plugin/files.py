"""Plugins that are Python files: imports them by path, under their own names while they are in use."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from dfo_prompt._util.contained import contained
from dfo_prompt.errors import InputError, one_line

_modules: dict[Path, ModuleType] = {}
"""Files that were imported, whether their names lead to them now or not."""


@contextmanager
def importable(path: Path) -> Iterator[None]:
    """Let `import STEM` give the module in this file inside a `with` block, as spec targets in it expect.

    Outside, another file of the same name may have that place.

    Raises:
        InputError: another module has the name, or the file cannot be imported.
    """
    before = sys.modules.get(path.stem)
    if before not in _modules.values() and (before is not None or _names_a_module(path)):
        raise InputError(f"plugin file {path} has the name of another module, {path.stem!r}; rename it")
    try:
        sys.modules[path.stem] = module_of(path)
        yield
    finally:
        sys.modules.pop(path.stem, None)
        if before is not None:
            sys.modules[path.stem] = before


def module_of(path: Path) -> ModuleType:
    """Import the file, once; return its module.

    Raises:
        InputError: there is no such file, or it cannot be imported.
    """
    if path not in _modules:
        spec = spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise InputError(f"plugin file {path} cannot be used: there is no such Python file")
        module = sys.modules[path.stem] = module_from_spec(spec)  # where code that runs in it looks for it
        try:
            with contained():
                spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            # Asked for by path, so nobody wants the rest to go on without it.
            raise InputError(f"plugin file {path} cannot be used: {one_line(error)}") from error
        _modules[path] = module
    return _modules[path]


def _names_a_module(path: Path) -> bool:
    """Tell whether `import STEM` finds anything but this file."""
    try:
        spec = find_spec(path.stem)
    except (ImportError, ValueError):
        return False
    return spec is not None and (spec.origin is None or Path(spec.origin).resolve() != path)
