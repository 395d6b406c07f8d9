import pytest

from dfo_prompt import methods
from dfo_prompt.testing import MethodConformance
from dfo_prompt.testing.methods import BUDGET

pytestmark = pytest.mark.slow


class TestBuiltIn(MethodConformance):
    names = tuple(spec.name for spec in methods.dfo_prompt_methods() if spec.name not in ("study", "pretrained"))
    options = {"ensemble": {"members": 2}, "projections": {"members": 2}, "in-context": {"demonstrations": 2}}  # noqa: RUF012
    most_queries = {"label-scores-decoder": 72, "tuned-decoder": BUDGET + 2}  # noqa: RUF012


class TestPretrained(MethodConformance):
    names = ("pretrained",)
    most_queries = {"pretrained": 3 * BUDGET}  # noqa: RUF012 - two draws on another task, and its own

    def run(self, name, folder, *, out=None):
        self.__class__.options = {name: {"tasks": [str(folder / "other.toml")], "draws": 2}}
        return super().run(name, folder, out=out)


class TestDecodersWithOptions(MethodConformance):
    names = ("decoder", "multi-prompt-decoder", "decoder-top-k", "tuned-decoder")
    most_queries = {"tuned-decoder": BUDGET + 2}  # noqa: RUF012
    options = {  # noqa: RUF012
        "decoder": {"fit": {"head": "prototypes", "words": "offset", "join_dev": False}},
        "multi-prompt-decoder": {"templates": ["{text} {answer}", "film : {text} {answer}"], "fit": {"words": "auto"}},
        "decoder-top-k": {"k": 5, "fit": {"words": "auto"}},
        "tuned-decoder": {"depths": [0.5, 1.0], "fit": {"sharpness": 0.0}},
    }
