import numpy as np
import pytest

import dfo_prompt as dp
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.study.checked_optimizer import CheckedOptimizer

WRAPPERS = ("blockwise", "two-stage", "rembo", "sre", "redrawn")
PLUGIN = """\
import dfo_prompt as dp
import numpy as np

class Well(dp.Optimizer):
    def __init__(self, **study):
        super().__init__(**study)
        self.rng = np.random.default_rng(self.seed)
    def ask(self):
        return self.x0 + self.rng.standard_normal((4, self.dim))
    def tell(self, candidates, losses):
        pass
    def recommend(self):
        return self.x0.copy()

class Narrow(Well):
    def ask(self):
        return super().ask()[:, 1:]

class Leaving(Well):
    def tell(self, candidates, losses):
        raise SystemExit(0)

class Careless(Well):
    def ask(self):
        self.asked = super().ask()
        return self.asked
    def tell(self, candidates, losses):
        self.asked[:] = candidates[:] = 7
        losses[:] = -losses

@dp.hookimpl
def dfo_prompt_optimizers():
    for kind in (Well, Narrow, Careless, Leaving):
        name = kind.__name__
        yield dp.OptimizerSpec(name=f"own:{name.lower()}", target=f"strange:{name}", summary="Test.")
"""


@pytest.fixture(autouse=True)
def _strange(tmp_path):
    (tmp_path / "strange.py").write_text(PLUGIN)
    with plugin_files(tmp_path / "strange.py"):
        yield


def make(name):
    settings = {"dim": 6, "budget": 40, "popsize": 4, "x0": np.ones(6), "seed": 1}
    return CheckedOptimizer(dp.create_optimizer(name, **settings), name=name)


def asked(optimizer):
    """Return the candidates of five batches, and the recommendation."""
    batches = []
    for _ in range(5):
        batches.append(optimizer.ask())
        optimizer.tell(batches[-1], (batches[-1] ** 2).sum(axis=1))
    return np.concatenate([*batches, optimizer.recommend()[None]])


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_an_optimizer_that_writes_into_arrays_changes_nothing_but_itself(wrapper):
    np.testing.assert_array_equal(asked(make(f"{wrapper}:own:careless")), asked(make(f"{wrapper}:own:well")))


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize(
    ("inner", "said"), [("narrow", "asked for candidates of shape"), ("leaving", "failed in tell: SystemExit: 0")]
)
def test_an_optimizer_that_breaks_its_contract_is_named_inside_of_another(wrapper, inner, said):
    with pytest.raises(dp.PluginError, match=f"^optimizer 'own:{inner}' {said}"):
        asked(make(f"{wrapper}:own:{inner}"))
