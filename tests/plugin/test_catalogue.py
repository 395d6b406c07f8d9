import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from dfo_prompt.config.reading import parse_config
from dfo_prompt.contracts.spec import OptimizerSpec, Spec
from dfo_prompt.errors import InputError, PluginError, UnknownNameError
from dfo_prompt.plugin import catalogue as plugins
from dfo_prompt.plugin.catalogue import catalogue, plugin_files
from dfo_prompt.plugin.hookspecs import hookimpl
from dfo_prompt.plugin.installed import Point
from dfo_prompt.run.code import code_of
from dfo_prompt.run.factory import create_objective


def point(name, load, dist="some-dist"):
    return Point(name=name, load=load, distribution=dist, version="1.2")


def plugin(*names, fail=False):
    class Plugin:
        @hookimpl
        def dfo_prompt_optimizers(self):
            if fail:
                raise RuntimeError("no luck\ntoday")
            return [OptimizerSpec(name=name, target="fakes:Steps", summary="") for name in names]

    return Plugin()


def broken():
    raise ImportError("no module named left_pad")


@pytest.fixture
def installed(monkeypatch):
    """Pretends that these entry points are installed."""

    def install(*points):
        monkeypatch.setattr(plugins, "installed_points", lambda: list(points))
        plugins._catalogue.cache_clear()
        return catalogue()

    yield install
    monkeypatch.undo()
    plugins._catalogue.cache_clear()


def states(found):
    return {info.name: info.error for info in found.plugins if info.origin != "built in"}


def test_built_ins_come_through_the_same_hooks():
    found = catalogue()
    assert {"cma", "random", "nevergrad:*", "pymoo:GA", "rembo:*"} <= set(found.optimizers.specs)
    assert {"prompt", "sphere", "rosenbrock"} <= set(found.objectives.specs)
    assert {"bbc-headlines", "sst2"} <= set(found.tasks.specs)
    assert {"run", "list"} <= set(found.commands.specs)
    assert not [info for info in found.plugins if info.error]


def test_a_plugin_is_found_by_its_entry_point(installed):
    found = installed(point("mine", lambda: plugin("mine:steps")))
    assert found.optimizers.find("mine:steps").target == "fakes:Steps"
    assert [(i.origin, i.version) for i in found.plugins if i.name == "mine"] == [("some-dist", "1.2")]


def test_a_plugin_that_fails_to_import_is_named_and_the_rest_goes_on(installed):
    found = installed(point("bad", broken), point("good", lambda: plugin("good")))
    assert states(found) == {"bad": "ImportError: no module named left_pad", "good": ""}
    assert found.optimizers.find("good")


def test_a_hook_that_raises_is_named_and_the_rest_goes_on(installed):
    found = installed(point("bad", lambda: plugin(fail=True)), point("good", lambda: plugin("good")))
    assert states(found) == {"bad": "dfo_prompt_optimizers() failed: RuntimeError: no luck", "good": ""}
    assert found.optimizers.find("good")


def test_a_plugin_with_a_misspelt_hook_gives_nothing(installed):
    class Plugin:
        @hookimpl
        def dfo_prompt_optimizers(self):
            return [OptimizerSpec(name="half", target="fakes:Steps", summary="")]

        @hookimpl
        def dfo_prompt_optimizer(self):
            return []

    found = installed(point("half", Plugin))
    assert "half" not in found.optimizers.specs
    assert "there is no hook dfo_prompt_optimizer()" in states(found)["half"]
    assert [info.gives for info in found.plugins if info.name == "half"] == [{}]


def test_a_name_offered_twice_is_an_error_that_names_both(installed):
    found = installed(point("one", lambda: plugin("twin", "other")), point("two", lambda: plugin("twin")))
    with pytest.raises(PluginError, match="optimizer 'twin' is offered by one and by two; uninstall one of them"):
        found.optimizers.find("twin")
    assert found.optimizers.find("other")
    assert states(found)["two"] == "optimizer 'twin' is already offered by one"


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(UnknownNameError, match="unknown optimizer 'cna'; did you mean 'cma'?"):
        catalogue().optimizers.find("cna")


def test_a_registry_takes_any_name_behind_its_colon_but_is_no_name_itself():
    assert catalogue().optimizers.find("nevergrad:Whatever").name == "nevergrad:*"
    with pytest.raises(UnknownNameError):
        catalogue().optimizers.find("nevergrad")


FILE = """
import dfo_prompt as dp

class Mine(dp.Optimizer):
    def ask(self): return self.x0[None]
    def tell(self, candidates, losses): pass
    def recommend(self): return self.x0

@dp.hookimpl
def dfo_prompt_optimizers():
    return [dp.OptimizerSpec(name="mine", target="one_file_plugin:Mine", summary="Stays where it is.")]
"""


def test_one_file_is_a_plugin_inside_a_with_block(tmp_path):
    file = tmp_path / "one_file_plugin.py"
    file.write_text(FILE)
    with plugin_files(file):
        assert catalogue().optimizers.find("mine").load().__name__ == "Mine"
    assert "mine" not in catalogue().optimizers.specs


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such Python file"),
        ("import left_pad", "No module named 'left_pad'"),
        (FILE.replace("dfo_prompt_optimizers", "dfo_prompt_optimizer"), r"there is no hook dfo_prompt_optimizer\(\)"),
        (
            FILE.replace("@dp.hookimpl\n", ""),
            r"dfo_prompt_optimizers\(\) lacks its mark; write @dfo_prompt.hookimpl above it",
        ),
        (FILE.replace("optimizers():", "optimizers(kind):"), "kind"),
        (f"raise SystemExit(0)\n{FILE}", "SystemExit: 0"),
        (FILE.replace("return [", "exit(0), ["), "SystemExit: 0"),
        (FILE.replace("return [", "return 1 / 0, ["), r"dfo_prompt_optimizers\(\) failed: ZeroDivisionError"),
    ],
)
def test_a_plugin_file_that_cannot_be_used_is_one_line(tmp_path, content, message):
    file = tmp_path / "bad_plugin.py"
    if content:
        file.write_text(content)
    with pytest.raises(InputError, match=f"plugin file .*bad_plugin.py cannot be used: .*{message}"), plugin_files(file):
        catalogue()


def test_files_of_one_name_are_told_apart(tmp_path):
    files = [tmp_path / version / "one_file_plugin.py" for version in ("old", "new")]
    for file in files:
        file.parent.mkdir()
        file.write_text(FILE + f"\nMine.version = {file.parent.name!r}\n")
    for file in (*files, *files):
        with plugin_files(file):
            assert catalogue().optimizers.find("mine").load().version == file.parent.name


def test_files_of_one_name_cannot_be_used_at_once(tmp_path):
    for version in ("old", "new"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "one_file_plugin.py").write_text(FILE)
    with plugin_files(tmp_path / "old" / "one_file_plugin.py"), plugin_files(tmp_path / "old" / "one_file_plugin.py"):
        with pytest.raises(InputError, match="new/one_file_plugin.py has the name of another module"):
            plugin_files(tmp_path / "new" / "one_file_plugin.py").__enter__()
        assert catalogue().optimizers.find("mine").load()


def test_a_file_cannot_have_the_name_of_another_module(tmp_path):
    for name in ("json", "wave", "dfo_prompt"):  # imported already, to be found, and our own
        (tmp_path / f"{name}.py").write_text(FILE)
        with pytest.raises(InputError, match=f"{name}.py has the name of another module, '{name}'; rename it"):
            plugin_files(tmp_path / f"{name}.py").__enter__()


def test_a_file_may_lie_where_import_finds_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "one_file_plugin.py").write_text(FILE)
    with plugin_files(tmp_path / "one_file_plugin.py"):
        assert catalogue().optimizers.find("mine")


def test_a_mended_file_is_read_again(tmp_path):
    file = tmp_path / "one_file_plugin.py"
    file.write_text("import left_pad")
    with pytest.raises(InputError, match="left_pad"), plugin_files(file):
        pass
    file.write_text(FILE)
    with plugin_files(file):
        assert catalogue().optimizers.find("mine").load().__name__ == "Mine"


def test_an_edited_file_is_read_again_once_no_block_uses_it(tmp_path):
    file = tmp_path / "one_file_plugin.py"
    config = parse_config({"objective": "sphere", "optimizer": "cma", "dim": 2})
    hashes = []
    for version in ("1", "2"):
        name = f"mine{version}"
        file.write_text(FILE.replace("mine", name) + f"\nMine.version = {version}\n")
        with plugin_files(file):
            file.write_text("import left_pad")  # in the middle of the study
            with plugin_files(file):
                assert catalogue().optimizers.find(name).load().version == int(version)
            hashes.append(code_of(replace(config, optimizer=name))["one_file_plugin.py"])
    assert hashes[0] != hashes[1]
    assert f"sha256 {hashlib.sha256(b'import left_pad').hexdigest()}" not in hashes


def test_threads_share_a_file_until_the_last_has_done(tmp_path):
    file = tmp_path / "one_file_plugin.py"
    file.write_text(FILE)
    in_first, in_second, after_first = (Barrier(2, timeout=9) for _ in range(3))

    def first():
        with plugin_files(file):
            in_first.wait()
            in_second.wait()
        after_first.wait()

    def second():
        in_first.wait()
        with plugin_files(file):
            in_second.wait()
            after_first.wait()
            return catalogue().optimizers.find("mine").load().__name__

    with ThreadPoolExecutor(2) as pool:
        pool.submit(first)
        assert pool.submit(second).result() == "Mine"
    assert "one_file_plugin" not in sys.modules


def test_what_a_plugin_gives_is_counted(installed):
    found = installed(point("some", lambda: plugin("a", "b")), point("none", object))
    gives = {info.name: info.gives for info in found.plugins}
    assert (gives["some"], gives["none"]) == ({"optimizers": 2}, {})


def test_two_plugins_of_one_name_or_one_module_are_told(installed):
    both = plugin("one")
    found = installed(point("a", lambda: both), point("a", lambda: plugin("two"), "other-dist"), point("b", lambda: both))
    errors = [(info.origin, info.error) for info in found.plugins if info.origin != "built in"]
    assert errors == [
        ("some-dist", ""),
        ("other-dist", "another plugin has the name 'a'; uninstall one of them"),
        ("some-dist", "it is the same as plugin 'a'"),
    ]


def test_a_missing_extra_is_that_of_the_distribution_that_gives_the_name(installed):
    class Plugin:
        @hookimpl
        def dfo_prompt_objectives(self):
            return [Spec(name="far", target="no_such_backend:build", summary="Needs a backend.", extra="fast")]

    found = installed(point("mine", Plugin))
    with pytest.raises(InputError, match=r"objective 'far' needs an extra: pip install 'some-dist\[fast\]'"):
        found.objectives.load("far")
    with pytest.raises(InputError, match=r"pip install 'some-dist\[fast\]'"):
        create_objective("far", dim=2)


def test_a_backend_that_is_installed_and_broken_needs_no_extra(installed, tmp_path, monkeypatch):
    (tmp_path / "broken_backend.py").write_text("raise RuntimeError('built for another NumPy')")
    monkeypatch.syspath_prepend(tmp_path)

    class Plugin:
        @hookimpl
        def dfo_prompt_objectives(self):
            return [Spec(name="far", target="broken_backend:build", summary="Needs a backend.", extra="fast")]

    with pytest.raises(PluginError, match="built for another NumPy"):
        installed(point("mine", Plugin)).objectives.load("far")


def test_an_extra_of_a_file_has_no_distribution(tmp_path):
    file = tmp_path / "one_file_plugin.py"
    file.write_text(FILE.replace("one_file_plugin:Mine", "no_such_backend:Mine").replace("summary", "extra='fast', summary"))
    with plugin_files(file), pytest.raises(PluginError, match="No module named 'no_such_backend'"):
        catalogue().optimizers.load("mine")


def test_hooks_are_called_when_their_kind_is_asked_for(installed):
    asked = []

    class Plugin:
        @hookimpl
        def dfo_prompt_tasks(self):
            asked.append("tasks")
            return []

    found = installed(point("mine", Plugin))
    assert found.optimizers.specs
    assert not asked
    assert found.tasks.specs
    assert asked == ["tasks"]
