"""The method contract: a row of a comparison that is not a study of an optimizer."""

from dataclasses import dataclass

from dfo_prompt.contracts.spec import Spec


@dataclass(frozen=True, kw_only=True)
class MethodSpec(Spec):
    """A method that a plugin offers.

    The target is a callable `(setting: Setting, **options) -> Fitted` (see `dfo_prompt.methods`): it learns from the
    training and dev examples and returns a classifier of new texts.

    Attributes:
        needs_gradients: the method needs the model's weights and gradients: a white-box reference.
        deployment_efficient: one frozen copy of the model serves all tasks and users.
        searches: the method spends the study's query budget; the queries of other methods do not depend on it.
        tunes: the method returns a candidate of the study's objective and accepts any objective. It writes a study
            folder: reports draw its curve, and `export`, `--start-from` and `predict` (even unfinished) accept it.
        exceeds_budget: the method searches, and also makes queries that neither the budget nor its limits cover.
        budgets: "package.module:function", for a method that spends several budgets: the function takes the study's
            configuration and returns their number.
        describe: "package.module:function", for a method whose prompts the problem's fingerprint does not cover: the
            function takes the setting and returns entries for the manifest.
    """

    needs_gradients: bool = False
    deployment_efficient: bool = True
    searches: bool = False
    tunes: bool = False
    exceeds_budget: bool = False
    budgets: str = ""
    describe: str = ""

    @property
    def as_a_service(self) -> bool:
        """Tell whether the method works with a model that can only be queried."""
        return not self.needs_gradients
