"""The wheels contain all files of their packages."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLUGINS = sorted(path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("plugins/*/pyproject.toml"))
LEFT = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", "tests", ".*")
FILES = ("pyproject.toml", "setup.cfg", "README.md", "LICENSE")
BUILD = ("-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir")
pytestmark = pytest.mark.slow


def build(project: Path, place: Path) -> tuple[set[str], set[str], str]:
    """Return the files of the packages, those of the wheel, and what was printed."""
    source = place / "source"
    source.mkdir()
    for path in (
        *project.glob("dfo_prompt*"),
        *(project / name for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE")),
    ):
        if path.is_dir() and path.suffix != ".egg-info":
            shutil.copytree(path, source / path.name, ignore=LEFT)
        elif path.is_file():
            shutil.copy2(path, source)
    packages = [path for path in source.rglob("*") if path.is_file() and path.parent != source]
    tree = {path.relative_to(source).as_posix() for path in packages}
    ran = subprocess.run([sys.executable, *BUILD, place, source, "-v"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (wheel,) = place.glob("*.whl")
    return tree, {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}, ran.stdout + ran.stderr


@pytest.mark.parametrize("project", [".", *PLUGINS])
def test_a_wheel_holds_every_file_of_the_package(tmp_path, project):
    tree, wheel, said = build(ROOT / project, tmp_path)
    assert tree
    assert wheel == tree
    assert "Package would be ignored" not in said
