import json

import numpy as np
import pytest
from fakes import Bowl

import dfo_prompt as dp
from dfo_prompt.config.reading import parse_config
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.run.built import plugin_of
from dfo_prompt.run.code import code_of
from dfo_prompt.run.factory import is_deterministic
from dfo_prompt.run.objectives import Objectives
from dfo_prompt.run.study import run_study
from dfo_prompt.study.identity import check_objective

FIXED = """
import dfo_prompt as dp

class Fixed:
    dim = 7

    def __init__(self, *, dim, seed):
        pass

    def evaluate(self, candidates):
        return dp.Evaluation(losses=(candidates**2).sum(axis=1) + 1)

@dp.hookimpl
def dfo_prompt_objectives():
    yield dp.Spec(name="fixed", target="fixed:Fixed", summary="A bowl of seven coordinates.")
"""


def test_minimize_is_one_line():
    result = dp.minimize(Bowl(5), optimizer="cma", budget=300, seed=1, x0=np.ones(5))
    assert result.best_loss is not None
    assert result.best_loss < 0.1
    assert result.spent.queries == 300


def test_ask_and_tell_by_hand():
    optimizer = dp.create_optimizer("cma", dim=4, budget=400, sigma=0.5)
    objective = dp.create_objective("sphere", dim=4, seed=3)
    losses = np.array([np.inf])
    start = objective.evaluate(np.zeros((1, 4))).losses[0]
    for _ in range(40):
        candidates = optimizer.ask()
        losses = objective.evaluate(candidates).losses
        optimizer.tell(candidates, losses)
    assert losses.min() < 0.01 * start


def test_the_same_folder_continues_and_another_study_is_refused(tmp_path):
    first = dp.minimize(Bowl(), budget=20, out=tmp_path)
    objective = Bowl()
    again = dp.minimize(objective, budget=20, out=tmp_path)
    assert objective.queries == 1  # whether it is still the same
    assert again.best_loss == first.best_loss
    with pytest.raises(InputError, match="seed is 0 there and 1 here"):
        dp.minimize(Bowl(), budget=20, out=tmp_path, seed=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "cna"}, "unknown optimizer 'cna'; did you mean 'cma'"),
        ({"covarince": "vd"}, "unknown option of optimizer 'cma': 'covarince'; did you mean 'covariance'"),
        ({"covariance": "odd"}, "optimizer 'cma': covariance: Input should be 'full', 'diagonal', 'vd' or 'vkd', not 'odd'"),
        ({"active": 3}, "optimizer 'cma': active: Input should be a valid boolean, not 3"),
        ({"budget": 0}, r"minimize\(\): budget: "),
        ({"x0": np.zeros(2)}, "x0 has 2 coordinates, dim is 3"),
        ({"optimizer": "nevergrad:OnePlusTwo"}, "OnePlusOne"),
    ],
)
def test_a_mistake_is_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        dp.minimize(Bowl(), **{"budget": 20, **arguments})
    assert "\n" not in str(caught.value)


def test_an_objective_with_another_d_is_refused(tmp_path):
    (tmp_path / "fixed.py").write_text(FIXED)
    with (
        plugin_files(tmp_path / "fixed.py"),
        pytest.raises(InputError, match="objective 'fixed' has d = 7, not 4; set dim to"),
    ):
        dp.create_objective("fixed", dim=4)


def test_an_edited_plugin_file_gives_its_new_objective(tmp_path):
    file, objectives = tmp_path / "fixed.py", Objectives()
    config = StudyConfig(objective="fixed", dim=7, plugin=file)
    found = []
    for source in (FIXED, FIXED.replace("+ 1", "+ 2")):
        file.write_text(source)
        with plugin_of(config):
            found.append(float(objectives.get(config).evaluate(np.zeros((1, 7))).losses[0]))
    assert found == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"popsize": -1}, "popsize: Input should be greater than or equal to 1"),
        ({"bounds": (1, -1)}, r"bounds must be \[low, high\]"),
        ({"x0": [np.nan, 0, 0]}, "x0.0: Input should be a finite number"),
        ({"x0": [5, 5, 5], "bounds": (-1, 1)}, "x0 starts at 5, outside the bounds"),
        ({"dim": 0}, "dim: Input should be greater than or equal to 1"),
        ({"sigma": 0}, "sigma: Input should be greater than 0"),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
    ],
)
def test_an_optimizer_by_hand_is_checked_like_that_of_a_study(arguments, said):
    with pytest.raises(InputError, match=f"optimizer 'cma': {said}"):
        dp.create_optimizer("cma", **{"dim": 3, "budget": 9, **arguments})
    with pytest.raises(InputError, match="x0 has 2 coordinates, dim is 3"):
        dp.create_optimizer("cma", dim=3, budget=9, x0=[1.0, 2.0])


@pytest.mark.parametrize("x0", ["abc", [1.0, [2.0]], [1.0, "a", 2.0]])
def test_a_start_that_is_no_vector_is_one_line(x0):
    for call in (
        lambda: dp.create_optimizer("cma", dim=3, budget=9, x0=x0),
        lambda: dp.minimize(Bowl(), budget=9, x0=x0),
        lambda: dp.compare(["cma"], Bowl(), budget=9, x0=x0),
    ):
        with pytest.raises(InputError, match="^x0 must be 3 numbers: "):
            call()


def test_candidates_are_not_taken_for_another_objective(tmp_path):
    config = parse_config({"objective": "sphere", "dim": 3, "budget": 9, "popsize": 3})

    class Told(Bowl):
        def describe(self):
            return {"model_fingerprint": "one", "device": "cuda", "dtype": "float32"}

    run_study(config, Told(), out=tmp_path)
    check_objective(tmp_path, {"model_fingerprint": "one", "device": "cpu", "dtype": "float32"})
    check_objective(tmp_path, {"model_fingerprint": "one", "device": "cuda", "dtype": "bfloat16"})
    with pytest.raises(InputError, match="is 'one' there and 'two' here; its candidates mean nothing here"):
        check_objective(tmp_path, {"model_fingerprint": "two", "device": "cuda"})


def test_an_unknown_objective_is_one_line():
    with pytest.raises(InputError, match="unknown objective 'spere'; did you mean 'sphere'"):
        dp.create_objective("spere", dim=2)


def test_a_missing_backend_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dfo_prompt.optimizers.nevergrad", None)
    with pytest.raises(
        dp.PluginError, match="'nevergrad:OnePlusOne' needs 'dfo_prompt.optimizers.nevergrad:Nevergrad', which failed"
    ):
        dp.create_optimizer("nevergrad:OnePlusOne", dim=2, budget=9)


def test_every_public_name_is_there():
    assert all(getattr(dp, name) is not None for name in dp.__all__)
    assert set(dp.__all__) <= set(dir(dp))
    with pytest.raises(AttributeError, match="nothing_such"):
        dp.nothing_such  # noqa: B018


@pytest.fixture
def restless(tmp_path):
    file = tmp_path / "restless.py"
    file.write_text(
        "import dfo_prompt as dp\nfrom fakes import Restless\n"
        "@dp.hookimpl\n"
        "def dfo_prompt_optimizers():\n"
        "    return [dp.OptimizerSpec(name='restless', target='restless:Restless', summary='', deterministic=False)]\n"
    )
    with plugin_files(file):
        yield "restless"


@pytest.mark.parametrize("wrapped", ["", "rembo:", "sre:redrawn:"])
def test_what_does_not_repeat_itself_starts_over_until_it_is_finished(restless, tmp_path, wrapped):
    class Dies(Bowl):
        def evaluate(self, candidates):
            if self.dies and self.queries:
                raise KeyboardInterrupt
            return super().evaluate(candidates)

    def run(*, dies):
        objective = Dies()
        objective.dies = dies
        return dp.minimize(objective, optimizer=wrapped + restless, budget=20, popsize=5, out=tmp_path / "s")

    assert not is_deterministic(wrapped + restless)
    with pytest.raises(KeyboardInterrupt):
        run(dies=True)
    first = run(dies=False)
    journal = (tmp_path / "s" / "journal.jsonl").read_bytes()
    again = run(dies=True)  # asks nothing
    np.testing.assert_array_equal(again.best, first.best)
    assert again.spent == first.spent
    assert (tmp_path / "s" / "journal.jsonl").read_bytes() == journal


def test_a_backend_may_have_the_name_of_an_optimizer():
    assert is_deterministic("nevergrad:DE")
    assert is_deterministic("cma:sep")


def test_only_a_wrapper_takes_its_declarations_and_code_from_the_name_after_its_colon(tmp_path):
    file = tmp_path / "namesake.py"
    spec = "dp.OptimizerSpec(name='DE', target='fakes:Restless', summary='', deterministic=False)"
    file.write_text(f"import dfo_prompt as dp\n@dp.hookimpl\ndef dfo_prompt_optimizers(): return [{spec}]\n")
    with plugin_files(file):
        for name, wraps in (("nevergrad:DE", False), ("rembo:DE", True), ("sre:rembo:DE", True)):
            assert is_deterministic(name) != wraps
            code = code_of(parse_config({"objective": "sphere", "dim": 3, "optimizer": name}))
            assert [*code] == ["namesake.py"] * wraps


def test_an_observer_that_cannot_be_had_is_left_out(tmp_path):
    file = tmp_path / "watcher.py"
    file.write_text(
        "import dfo_prompt as dp\nfrom dfo_prompt.contracts.spec import Spec\n"
        "@dp.hookimpl\n"
        "def dfo_prompt_observers():\n"
        "    return [Spec(name='gone', target='nowhere:Nothing', summary='')]\n"
    )
    with plugin_files(file), pytest.warns(RuntimeWarning, match="observer 'gone' failed and is left out"):
        assert dp.minimize(Bowl(), budget=5).spent.queries == 5


BROKEN = """
import numpy as np
import dfo_prompt as dp

class Broken(dp.Optimizer):
    def ask(self): return self.x0[None] + np.zeros((self.popsize, 1))
    def tell(self, candidates, losses): pass
    def recommend(self): return self.x0
    CHANGE

class Loose:
    def __init__(self, **study): pass

@dp.hookimpl
def dfo_prompt_optimizers():
    return [dp.OptimizerSpec(name=name, target=f"broken:{name}", summary="") for name in ("Broken", "Loose")]
"""


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        ("def __init__(self, **study): pass", "Broken", r"has no \w+; its __init__ must call super\(\).__init__"),
        ("", "Loose", "is a Loose, which is no subclass of dfo_prompt.Optimizer"),
        ("def ask(self): return None", "Broken", r"'Broken' asked for candidates of shape \(\)|failed in ask"),
        ("def ask(self): return 'abc'", "Broken", "'Broken' failed in ask: ValueError"),
        ("def recommend(self): return {}", "Broken", "'Broken' failed in recommend: TypeError"),
        ("def describe(self): return {'names': {1, 2}}", "Broken", "'Broken' failed in describe: TypeError: {1, 2} is no"),
    ],
)
def test_common_mistakes_of_plugins_are_one_line(tmp_path, change, name, said):
    (tmp_path / "broken.py").write_text(BROKEN.replace("CHANGE", change))
    with plugin_files(tmp_path / "broken.py"), pytest.raises(dp.PluginError, match=said) as caught:
        dp.minimize(Bowl(), optimizer=name, budget=20, out=tmp_path / "s")
    assert "\n" not in str(caught.value)


def test_an_init_that_lacks_an_argument_of_the_study_is_told_how_to_take_all(tmp_path):
    change = "def __init__(self, dim, seed, budget, sigma, x0, bounds): pass"
    (tmp_path / "broken.py").write_text(BROKEN.replace("CHANGE", change))
    said = r"'Broken': .* unexpected keyword argument 'popsize'; take \*\*study and pass it to super\(\).__init__$"
    with plugin_files(tmp_path / "broken.py"), pytest.raises(InputError, match=said):
        dp.create_optimizer("Broken", dim=3, budget=9)


def test_what_numpy_describes_is_written_as_numbers(tmp_path):
    change = "def describe(self): return {'restarts': np.int64(2), 'step': np.array([0.5])}"
    (tmp_path / "broken.py").write_text(BROKEN.replace("CHANGE", change))
    with plugin_files(tmp_path / "broken.py"):
        dp.minimize(Bowl(), optimizer="Broken", budget=20, out=tmp_path / "s")
    found = json.loads((tmp_path / "s" / "manifest.json").read_text())["optimizer"]
    assert found == {"restarts": 2, "step": [0.5]}


def test_what_is_no_objective_is_one_line():
    with pytest.raises(InputError, match="the objective is a list without dim and evaluate"):
        dp.minimize([], budget=20)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("optimizer.sigma=0.2", "sigma is no option of the optimizer; write sigma"),
        ("objective.dim=3", "dim is no option of the objective; write dim"),
        ("method.orders=3", "a study has no option 'orders'; name a method"),
    ],
)
def test_keys_of_the_study_are_no_options(program, where, said):
    status, _, err = program("run", "--objective", "sphere", "--dim", "5", "--budget", "10", "--set", where)
    assert (status, err.count("\n"), said in err) == (2, 1, True)


def test_what_follows_the_colon_is_no_option(program):
    status, _, err = program("run", "--objective", "sphere", "--optimizer", "nevergrad:DE", "--set", "optimizer.variant=PSO")
    assert (status, "'nevergrad:DE' fixes variant to 'DE'; use 'nevergrad:PSO'" in err) == (2, True)


@pytest.mark.parametrize(
    ("name", "option", "said"),
    [
        ("cma:sep", {"covariance": "full"}, "'cma:sep' fixes covariance to 'diagonal'; use 'cma' with covariance='full'"),
        ("cma:sep", {"covariance": "vd"}, "fixes covariance to 'diagonal'; use 'cma:vd'"),
        ("cma:ipop", {"restarts": "none"}, "fixes restarts to 'ipop'; use 'cma' with restarts='none'"),
        ("cma:ipop", {"restarts": "bipop"}, "fixes restarts to 'ipop'; use 'cma:bipop'"),
        ("cma:passive", {"active": True}, "fixes active to False; use 'cma' with active=True"),
        ("rembo:cma", {"draws": 3}, "fixes draws to 1; use 'redrawn:cma' with draws=3"),
        ("sre:random", {"withdraw": False}, "'sre:random' fixes withdraw to True; use 'redrawn:random'"),
        ("nevergrad:CMA", {"variant": "CMA"}, "takes no options, so 'variant' means nothing to it"),
        ("lm:r1-es", {"paths": 2}, "fixes paths to 1; use 'lm:rm-es' with paths=2"),
        ("cmaes:sep", {"learning_rate_adaptation": True}, "'sep' takes neither"),
    ],
)
def test_what_an_entry_fixes_is_not_overridden(name, option, said):
    with pytest.raises(InputError) as caught:
        dp.create_optimizer(name, dim=20, budget=9, **option)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_an_entry_fixes_may_be_said_again():
    dp.create_optimizer("cma:sep", dim=3, budget=9, covariance="diagonal")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"function": "rastrigin"}, "objective 'sphere' fixes function to 'sphere'; use 'rastrigin'"),
        ({"ambient_dim": 50}, None),
    ],
)
def test_objectives_fix_options_likewise(option, said):
    if said is None:
        dp.create_objective("sphere", dim=20, **option)
        with pytest.raises(InputError, match="fixes ambient_dim to 20000; use 'sphere' with ambient_dim=50"):
            dp.create_objective("sphere:embedded", dim=20, **option)
        return
    with pytest.raises(InputError, match=said):
        dp.create_objective("sphere", dim=20, **option)


def test_an_optimizer_without_options_says_so():
    with pytest.raises(InputError, match="optimizer 'random' takes no options, so 'covarince' means nothing to it"):
        dp.create_optimizer("random", dim=3, budget=9, covarince="full")


def test_a_misspelt_key_of_the_study_is_recognized():
    with pytest.raises(InputError, match="has no option 'budgte'; did you mean 'budget', which the study sets"):
        dp.create_optimizer("random", dim=3, budget=9, budgte=5)
