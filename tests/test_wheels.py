"""The wheels contain all files of their packages, and require all that these import."""

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

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


def requirements(project: str) -> dict[str, Requirement]:
    about = tomllib.loads((ROOT / project / "pyproject.toml").read_text())["project"]
    lines = [*about["dependencies"], *(line for extra in about["optional-dependencies"].values() for line in extra)]
    return {canonicalize_name(found.name): found for found in map(Requirement, lines)}


@pytest.mark.parametrize("project", PLUGINS)
def test_a_plugin_requires_what_it_imports(project):
    imported: set[str] = set()
    for path in (ROOT / project).glob("dfo_prompt*/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(str(node.module).partition(".")[0])
    others = imported - sys.stdlib_module_names - {Path(project).name.replace("-", "_")}
    providers, required = packages_distributions(), requirements(project)
    names = {module: {canonicalize_name(name) for name in providers.get(module, [module])} for module in others}
    assert [module for module, found in names.items() if not found & required.keys()] == []


@pytest.mark.parametrize("project", PLUGINS)
def test_a_plugin_requires_this_version_of_the_core(project):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    wanted = requirements(project)["dfo-prompt"].specifier
    assert wanted.contains(Version(version), prereleases=True)
    assert not wanted.contains("0.1.0")


def test_optuna_ends_before_it_drops_the_start_of_cma():
    assert not requirements("plugins/dfo-prompt-optuna")["optuna"].specifier.contains("6.0.0")
