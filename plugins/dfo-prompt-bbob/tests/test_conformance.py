import pytest

from dfo_prompt.testing import ObjectiveConformance

pytestmark = pytest.mark.slow


class TestConformance(ObjectiveConformance):
    names = tuple(f"bbob:{number}" for number in range(1, 25))
    dim = 5
