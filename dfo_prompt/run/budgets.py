"""The number of budgets that a method spends, and whether it keeps limits."""

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.spec import load_target
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import catalogue


def budgets_spent(config: StudyConfig) -> int:
    """Return the number of budgets that the searches of the method of `config` spend; 0 if it does not search.

    Raises:
        InputError: the method's name or an option is wrong.
    """
    spec = catalogue().methods.find(config.method)
    return int(load_target(spec.budgets, needed_by=spec.name)(config)) if spec.budgets else int(spec.searches)


def check_limits(config: StudyConfig) -> None:
    """Refuse limits and rules to stop that the method of `config` does not keep.

    Raises:
        InputError: the method does not search, or it has limits and also queries outside its searches.
    """
    spec = catalogue().methods.find(config.method)
    given = [name for name, value in (("limits", config.limits), ("[stop]", config.stop)) if value]
    if given and not budgets_spent(config):
        raise InputError(f"method {config.method!r} does not search, so {given[0]} would do nothing; leave {given[0]} out")
    if config.limits and spec.exceeds_budget:
        raise InputError(
            f"method {config.method!r} also queries outside its search, which limits cannot bind; leave limits out"
        )
