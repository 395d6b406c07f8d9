from dfo_prompt.testing import ObjectiveConformance


class TestConformance(ObjectiveConformance):
    names = tuple(f"bbob:{number}" for number in range(1, 25))
    dim = 5
