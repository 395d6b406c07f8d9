from pathlib import Path

import pytest

from dfo_prompt.objectives.outer import LeastSquares
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.run.factory import create_optimizer
from dfo_prompt.suite.reading import read_suite_file

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SUITES = sorted((ROOT / "benchmarks" / "suites").glob("*.toml"))


@pytest.mark.parametrize(
    ("name", "model"), [*((path.stem, None) for path in SUITES), ("bbt-table", "smollm2-135m")], ids=str
)
def test_every_suite_names_what_is_installed(name, model):
    suite = read_suite_file(next(path for path in SUITES if path.stem == name), model=model)
    assert suite.settings.name == name
    optimizers = {plan.optimizer: plan.config for plan in suite.plans if plan.config.method == "study"}
    for config in optimizers.values():
        outer = LeastSquares(size=3)  # for those that learn from outputs
        create_optimizer(config.optimizer, dim=30, budget=config.budget, outer=outer, **config.optimizer_options)
    for plan in suite.plans:
        catalogue().methods.find(plan.config.method)
        catalogue().objectives.find(plan.config.objective)
        catalogue().tasks.find(plan.config.problem.task)


def test_the_table_of_methods_has_a_laptop_in_mind():
    path = next(path for path in SUITES if path.stem == "bbt-table")
    whole, small = read_suite_file(path), read_suite_file(path, model="smollm2-135m")
    names = [{plan.optimizer for plan in suite.plans} for suite in (whole, small)]
    methods = catalogue().methods
    white_box = {plan.optimizer for plan in whole.plans if methods.find(plan.config.method).needs_gradients}
    assert (names[0] - names[1], len(white_box)) == (white_box, 7)
    assert small.queries < whole.queries / 50
    for table in whole.settings.published:
        for task, figures in [*table.figures.items(), *table.costs.items()]:
            assert {plan.problem for plan in whole.plans} >= {task}
            assert names[0] >= figures.keys()
