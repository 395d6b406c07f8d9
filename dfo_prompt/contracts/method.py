"""The method contract: what a row of a comparison is, besides a study of an optimizer."""

from dataclasses import dataclass

from dfo_prompt.contracts.spec import Spec


@dataclass(frozen=True, kw_only=True)
class MethodSpec(Spec):
    """A method as a plugin offers it.

    The target is a callable `(setting: Setting, **options) -> Fitted` of `dfo_prompt.methods`: it learns what it can from
    the training and dev examples, and returns what labels new texts.

    Attributes:
        needs_gradients: it needs the model's weights and gradients: a white-box reference.
        deployment_efficient: one frozen copy of the model serves all tasks and users.
        searches: it spends the study's budget of queries; others spend none of it.
        tunes: its answer is a candidate of the study's objective, and its folder that of a study: any objective will do, and
            curves, `predict`, `export` and `--start-from` work on it.
        budgets: of one that spends several budgets, "package.module:function", the function returning how many from the
            study's configuration.
        describe: of one that asks what no fingerprint of the problem covers, "package.module:function", the function
            returning it from the setting, for the manifest.
    """

    needs_gradients: bool = False
    deployment_efficient: bool = True
    searches: bool = False
    tunes: bool = False
    budgets: str = ""
    describe: str = ""

    @property
    def as_a_service(self) -> bool:
        """Tell whether it works where the model can only be queried."""
        return not self.needs_gradients
