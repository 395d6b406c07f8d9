from pathlib import Path

import pytest

from dfo_prompt.errors import InputError
from dfo_prompt.suite.reading import read_suite_file, suite_of

SUITE = """\
name = "little"
seeds = [1, 2]
optimizers = ["cma", { name = "slow", optimizer = "cma:sep", sigma = 0.1 }, "random"]
[study]
objective = "sphere"
dim = 5
budget = 40
popsize = 4
[cross]
"objective_options.noise" = [0.0, 0.5]
"""


@pytest.fixture
def read(tmp_path):
    def call(text=SUITE, **overrides):
        (tmp_path / "suite.toml").write_text(text)
        return read_suite_file(tmp_path / "suite.toml", overrides)

    return call


def test_everything_is_crossed_seed_by_seed(read):
    suite = read()
    assert len(suite.plans) == 3 * 2 * 2
    assert suite.queries == 12 * 40
    assert [plan.id for plan in suite.plans[:4]] == ["0.0/cma/1", "0.0/slow/1", "0.0/random/1", "0.5/cma/1"]
    slow = suite.plans[1].config
    assert (slow.optimizer, slow.sigma, slow.seed, slow.objective_options) == ("cma:sep", 0.1, 1, {"noise": 0.0})


def test_what_an_optimizer_sets_wins_over_the_problem_and_the_command_line_over_all(read):
    problems = '[[problems]]\nname = "wide"\nsigma = 2.0\n[[problems]]\nname = "narrow"\n'
    plans = {(plan.problem, plan.optimizer): plan.config for plan in read(SUITE + problems).plans}
    assert plans["wide, 0.0", "cma"].sigma == 2.0
    assert plans["wide, 0.0", "slow"].sigma == 0.1
    assert plans["narrow, 0.5", "cma"].sigma == 1.0
    assert {plan.config.budget for plan in read(budget=7).plans} == {7}


def test_combinations_can_be_left_out(read):
    text = SUITE + '[[exclude]]\noptimizer = "cma"\nproblem = "0.5"\n[[exclude]]\noptimizer = "slow"\n'
    kept = {(plan.optimizer, plan.problem) for plan in read(text).plans}
    assert kept == {("cma", "0.0"), ("random", "0.0"), ("random", "0.5")}


def test_studies_of_one_objective_are_told_apart_from_others(read):
    groups = {}
    for plan in read().plans:
        groups.setdefault(plan.group, set()).add((plan.problem, plan.seed))
    assert all(len(group) == 1 for group in groups.values())
    assert len(groups) == 4


def test_paths_in_the_file_are_relative_to_it_and_those_of_the_command_line_are_not(read, tmp_path):
    text = SUITE + '[[problems]]\nname = "files"\nproblem = { data = "films", task = "my.toml" }\n'
    problem = read(text).plans[0].config.problem
    assert (problem.data, problem.task) == (tmp_path / "films", tmp_path / "my.toml")
    assert read(text, problem={"data": "here"}).plans[0].config.problem.data == Path("here").absolute()


def test_what_is_learned_on_other_tasks_is_planned(read):
    text = (
        SUITE.replace('"objective_options.noise" = [0.0', "sigma = [1.0")
        .replace('objective = "sphere"', 'problem = { task = "tweets" }')
        .replace("[study]", "methods = ['manual', { name = 'pretrained', method_options = { draws = 3 } }]\n[study]")
    )
    planned = {plan.optimizer: plan.queries for plan in read(text).plans}
    assert planned == {"cma": 40, "slow": 40, "random": 40, "manual": 0, "pretrained": 4 * 40}
    usual = {plan.optimizer: plan.queries for plan in read(text.replace('task = "tweets"', "shots = 8")).plans}
    assert usual["pretrained"] == 4 * 40  # the task that a study has by default is left out too
    with pytest.raises(InputError, match="1 draws on 1 other tasks are fewer than two prompts"):
        read(text.replace("draws = 3", "draws = 1"))
    with pytest.raises(InputError, match="method 'pretrained': tasks: Input should be a valid array"):
        read(text.replace("draws = 3", "tasks = 'tweets'"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("budget = 40", "budgte = 40"),
            "toml: optimizer 'cma' on '0.0': unknown key: 'budgte'; did you mean 'budget'",
        ),
        (
            ("budget = 40", "budget = 0"),
            "'cma' on '0.0': budget: Input should be greater than or equal to 1, not 0",
        ),
        (("seeds = [1, 2]", "seeds = []"), "suite.toml: seeds: List should have at least 1 item"),
        (("seeds = [1, 2]", "seeds = [1, 2, 1]"), r"suite.toml: seeds: \[1, 2, 1\] has one of them twice"),
        (
            ('["cma", { name = "slow", optimizer = "cma:sep", sigma = 0.1 }, "random"]', "5"),
            "toml: optimizers: Input should be a valid array, not 5",
        ),
        (('"random"]', '"rnadom"]'), "'rnadom' on '0.0': unknown optimizer 'rnadom'; did you mean 'random'"),
        (("seeds =", "sedes ="), "unknown key in .*suite.toml: 'sedes'; did you mean 'seeds'"),
        (('"random"]', '"cma"]'), "two optimizers are called 'cma'"),
        (
            ('name = "slow"', f'name = "{201 * "s"}"'),
            f"suite.toml: the name of optimizer '{40 * 's'}'... takes 201 bytes, more than 200; give a shorter name$",
        ),
        (
            ("[cross]", '[[problems]]\nname = "' + 100 * "\u03b6" + '"\n[cross]'),
            "the name of problem '\u03b6+'... takes 20[4-9] bytes",
        ),
        (('"random"]', "3]"), "toml: optimizers.2: neither a name nor a table, not 3"),
        (('"random"]', "{ sigma = 2.0 }]"), "toml: optimizers.2: a table without a name"),
        (('optimizers = ["cma", {', 'others = ["cma", {'), "unknown key in .*suite.toml: 'others'"),
        (
            ("[cross]", '[[exclude]]\noptimizer = "cna"\n[cross]'),
            "optimizer in .*exclude.* of .*toml: 'cna'; did you mean",
        ),
        (("[0.0, 0.5]", "[]"), "cross.objective_options.noise: List should have at least 1 item"),
        (
            ("sigma = 0.1", "budget = 50"),
            "'cma' has 40 queries on '0.0', and 'slow' 50; on one problem all have the same budget",
        ),
        (("[0.0, 0.5]", "[0.0"), "suite.toml is not valid TOML"),
        (('name = "little"', 'mesaure = "x"\nname = "little"'), "did you mean 'measure'"),
        (
            ('name = "little"', 'budget = 100\nname = "little"'),
            r"suite.toml: 'budget' is a key of each study; move it to \[study\]$",
        ),
        (
            ("[cross]", '[problem]\ntask = "films"\n[cross]'),
            r"suite.toml: 'problem' is a key of each study; move it to \[study.problem\]",
        ),
        (('name = "little"', 'seed = 3\nname = "little"'), "unknown key in .*suite.toml: 'seed'; did you mean 'seeds'"),
    ],
)
def test_mistakes_are_one_line_with_their_place(read, change, said):
    with pytest.raises(InputError, match=said) as caught:
        read(SUITE.replace(*change))
    assert "\n" not in str(caught.value)


def test_a_suite_without_optimizers_is_none(read):
    with pytest.raises(InputError, match="no optimizers to compare"):
        read(SUITE.replace('optimizers = ["cma", { name = "slow", optimizer = "cma:sep", sigma = 0.1 }, "random"]\n', ""))


def test_a_variant_of_a_model_replaces_what_it_names(read, tmp_path):
    text = """\
name = "v"
seeds = [1, 2]
optimizers = [{ name = "BBT", preset = "bbt" }, "random"]
methods = ["manual", { name = "ICL", method = "in-context" }]
[study.problem]
model = "large"
[variants.small]
seeds = [3]
study = { budget = 50, problem = { shots = 4 } }
"""
    whole = read(text)
    assert whole.queries == 2 * (8000 + 8000)
    bbt, other, manual, icl = (plan.config for plan in whole.plans[:4])
    assert (bbt.optimizer, bbt.dim, bbt.prompt.tokens) == ("cma", 500, 50)
    assert (other.optimizer, manual.method, icl.method) == ("random", "manual", "in-context")
    small = read_suite_file(tmp_path / "suite.toml", model="small")
    assert {(plan.seed, plan.config.budget) for plan in small.plans} == {(3, 50)}
    assert {plan.config.problem.model for plan in small.plans} == {"small"}
    assert small.plans[0].config.prompt.tokens == 50  # of the preset still
    with pytest.raises(InputError, match="problem.model is 'small' by --model and 'other' by --set; leave one out"):
        read_suite_file(tmp_path / "suite.toml", {"problem": {"model": "other"}}, model="small")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "v"\nmethods = ["manuall"]\n', "unknown method 'manuall'"),
        ('name = "v"\noptimizers = [{ name = "a", preset = "bbt3" }]\n', "unknown preset 'bbt3'"),
        ('name = "v"\noptimizers = [{ name = "a", preset = 3 }]\n', "unknown preset '3'"),
        (
            'name = "v"\noptimizers = ["random"]\nvariants = { small = 3 }\n',
            "variants.small: Input should be an object",
        ),
        ('name = "v"\nmethods = [{ method_options = {} }]\n', "toml: methods.0: a table without a name"),
        ('name = "v"\noptimizers = ["random"]\nmethods = ["Random"]\n', "two optimizers are called"),
    ],
)
def test_mistakes_in_methods_and_presets_are_one_line(read, text, said):
    with pytest.raises(InputError, match=said):
        read(text)


def test_a_plain_name_is_always_the_optimizer(read):
    text = SUITE.replace(
        'optimizers = ["cma", { name = "slow", optimizer = "cma:sep", sigma = 0.1 }, "random"]',
        'optimizers = ["random", { name = "usual" }]',
    )
    plans = read(text.replace("[study]\n", '[study]\noptimizer = "cma:sep"\n')).plans
    assert {plan.optimizer: plan.config.optimizer for plan in plans} == {"random": "random", "usual": "cma:sep"}


def test_a_problem_without_a_name_is_called_after_what_runs():
    table = {"name": "t", "optimizers": ["random"], "study": {"objective": "sphere", "dim": 3}}
    suite = suite_of(table, where="t", base=Path(), overrides={"objective": "ellipsoid"})
    assert {plan.problem for plan in suite.plans} == {"ellipsoid"}


@pytest.mark.parametrize(
    ("text", "overrides", "said"),
    [
        (SUITE, {"seed": 5}, "--set: seed would be the same in every repetition"),
        (SUITE, {"optimizer": "random"}, "--set: optimizer is what a suite compares"),
        (
            SUITE,
            {"objective_options": {"noise": 0.1}},
            r"\[cross\] varies objective_options.noise, so that --set or --model",
        ),
        (SUITE.replace("dim = 5", "dim = 5\nseed = 3"), {}, r"\[study\]: seed would be the same"),
        (SUITE.replace("sigma = 0.1", "seed = 3"), {}, "'slow': seed would be the same"),
        (SUITE + "seed = [1, 2]\n", {}, r"\[cross\]: seed would be the same"),
        (SUITE + 'optimizer = ["cma", "random"]\n', {}, r"\[cross\]: optimizer is what a suite compares"),
        (SUITE + "[[problems]]\nname = 'a'\n[[problems]]\nname = 'b'\n", {}, "problems 'a, 0.0' and 'b, 0.0' are the same"),
        (SUITE.replace('"sphere"', '"spere"'), {}, "unknown objective 'spere'; did you mean 'sphere'"),
        (
            SUITE.replace("objective_options.noise", "problem.task").replace("[0.0, 0.5]", '["sst3"]'),
            {},
            "unknown task 'sst3'",
        ),
        (SUITE.replace("seeds = [1, 2]", "targets = [nan]"), {}, "targets"),
        (
            SUITE.replace('"random"]', '{ name = "more", optimizer = "random", problem = { shots = 4 } }]'),
            {},
            "model, task or data of 'cma' and 'more' differ on '0.0'; set problem in",
        ),
        (
            SUITE.replace('"random"]', '{ name = "more", optimizer = "random", prompt = { loss = "hinge" } }]'),
            {},
            "prompt.loss of 'cma' and 'more' differ on '0.0', so that their losses cannot be compared; set it in",
        ),
        (
            SUITE.replace('"random"]', '{ name = "more", optimizer = "cma", objective_options = { effective_dim = 2 } }]'),
            {},
            "objective_options of 'cma' and 'more' differ on '0.0'",
        ),
        (
            SUITE.replace('"random"]', '{ name = "more", optimizer = "random", objective = "ellipsoid" }]'),
            {},
            "objective of 'cma' and 'more' differ on '0.0', so that their losses cannot be compared; set it in",
        ),
        (
            SUITE.replace('"random"]', '{ name = "more", optimizer = "random", dim = 6 }]'),
            {},
            "dim of 'cma' and 'more' differ on '0.0', so that their losses cannot be compared; set it in",
        ),
        *(
            (SUITE.partition("[cross]")[0] + f"[[problems]]\nname = '{name}'\n", {}, f"a problem cannot be called '{name}'")
            for name in ("optimizer", "method", "gradients", "average")
        ),
    ],
)
def test_what_would_falsify_a_comparison_is_refused(read, text, overrides, said):
    with pytest.raises(InputError, match=said):
        read(text, **overrides)


def test_entries_may_choose_among_other_prompts(read):
    few = '{ name = "few", optimizer = "random", objective_options = { decoder = "demonstrations" } }'
    text = SUITE.partition("[cross]")[0].replace('"sphere"\ndim = 5', '"text-prompt"').replace('"random"]', f"{few}]")
    assert {plan.config.dim for plan in read(text).plans} == {80, 88}


def test_losses_of_other_objectives_of_a_model_must_agree(read):
    text = """\
    name = "two"
    [[optimizers]]
    name = "soft"
    optimizer = "cma"
    objective = "prompt"
    prompt = { loss = "hinge" }
    [[optimizers]]
    name = "text"
    optimizer = "random"
    objective = "text-prompt"
    """
    with pytest.raises(InputError, match="prompt.loss of 'soft' and 'text' differ on 'prompt', so that their losses"):
        read(text)
    assert len(read(text.replace('"two"', '"two"\nmeasure = "test_metric"')).plans) == 10


def test_options_of_an_objective_from_a_plugin_file_define_its_loss(read, tmp_path):
    (tmp_path / "shift.py").write_text(
        "import dfo_prompt as dp\n@dp.hookimpl\ndef dfo_prompt_objectives():\n"
        "    return [dp.Spec(name='shift', target='shift:Shift', summary='s')]\n"
        "class Shift:\n    def __init__(self, *, dim: int, seed: int, by: float = 0.0): pass\n"
    )
    text = SUITE.partition("[cross]")[0].replace("[study]", '[study]\nplugin = "shift.py"').replace("sphere", "shift")
    with pytest.raises(InputError, match="objective_options of 'cma' and 'slow' differ on 'shift'"):
        read(text.replace("sigma = 0.1", "objective_options = { by = 2.0 }"))


def test_one_bracket_too_few_is_said(read):
    with pytest.raises(InputError, match=r"problems: this is one table, .* \[\[problems\]\] begins each"):
        read(SUITE + '[problems]\nname = "a"\n')


def test_entries_may_reach_one_service_in_different_ways(read):
    entry = '{{ name = "patient", optimizer = "cma", objective_options = {{ url = "http://127.0.0.1:1", {} }} }}'
    objective = '"remote"\nobjective_options = { url = "http://127.0.0.1:2" }'
    text = SUITE.partition("[cross]")[0].replace('"sphere"', objective)
    first, _, last = text.partition('{ name = "slow", optimizer = "cma:sep", sigma = 0.1 }')
    assert len(read(first + entry.format("patience = 600.0") + last).plans) == 3 * 2
    with pytest.raises(InputError, match="objective_options of 'cma' and 'patient' differ on 'remote'"):
        read(first + entry.format('run = "again"') + last)


def test_two_plugin_files_may_not_give_one_problem_two_functions(read, tmp_path):
    for name in ("mine", "yours"):
        (tmp_path / f"{name}.py").write_text(
            "import dfo_prompt as dp\n"
            "@dp.hookimpl\n"
            "def dfo_prompt_objectives():\n"
            "    yield dp.Spec(name='bowl', target='dfo_prompt.objectives.functions:sphere', summary='A bowl.')\n"
        )
    entry = '{{ name = "{0}", optimizer = "random", plugin = "{1}.py" }}'
    text = SUITE.partition("optimizers")[0] + "optimizers = [{}, {}]\n[study]\nobjective = {!r}\nbudget = 40\ndim = 5\n"
    with pytest.raises(InputError, match="plugin of 'a' and 'b' differ on 'bowl', so that their losses cannot be compared"):
        read(text.format(entry.format("a", "mine"), entry.format("b", "yours"), "bowl"))
    assert read(text.format(entry.format("a", "mine"), entry.format("b", "mine"), "bowl")).plans
    assert read(text.format(entry.format("a", "mine"), entry.format("b", "yours"), "sphere")).plans  # as optimizers' files
