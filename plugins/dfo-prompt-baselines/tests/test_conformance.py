import pytest
from dfo_prompt_baselines import dfo_prompt_methods

from dfo_prompt.testing import MethodConformance

pytestmark = pytest.mark.slow


class TestConformance(MethodConformance):
    names = tuple(spec.name for spec in dfo_prompt_methods())


class TestLargeSeeds(MethodConformance):
    names = ("feature-mlp", "feature-bilstm", "prompt-tuning")
    seed = 2**64
