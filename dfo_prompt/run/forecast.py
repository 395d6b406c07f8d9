"""Upper bounds of what a study consumes, computed before its first query."""

from dataclasses import dataclass, field, replace

from dfo_prompt.config.study import StudyConfig, default_popsize
from dfo_prompt.contracts.objective import Estimating, Objective, Validated
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.run.budgets import budgets_spent, check_limits
from dfo_prompt.run.objectives import Objectives
from dfo_prompt.study.tariff import Tariff

LOOK = 2
"""The most candidates scored at an evaluation on dev: the best and the recommended one."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Upper bounds of the consumption of studies.

    Attributes:
        search: consumption on the first account.
        validation: consumption on the second account.
        estimated: True if the objective estimates other currencies than queries.
    """

    search: Usage = field(default_factory=Usage)
    validation: Usage = field(default_factory=Usage)
    estimated: bool = True


def forecast_of(config: StudyConfig, objectives: Objectives) -> Forecast:
    """Return the forecast for the method of `config`; for other methods than studies it covers at most queries.

    It is empty for methods that do not search, or exceed the budget: how many queries they make is unknown.

    Raises:
        InputError, PluginError: see `forecast`, `check_limits`, and `Objectives.get`.
    """
    check_limits(config)
    spec = catalogue().methods.find(config.method)
    if spec.tunes:
        return forecast(config, objectives.get(config))
    queries = 0 if spec.exceeds_budget else budgets_spent(config) * config.budget
    return Forecast(search=Usage(queries=queries), estimated=False)


def forecast(config: StudyConfig, objective: Objective) -> Forecast:
    """Return the forecast for the study `config` of `objective`, assuming batches of its popsize.

    Raises:
        InputError: a limit cannot be kept.
        PluginError: the objective breaks its contract.
    """
    tariff = Tariff(objective=objective, name=config.objective, prices=config.prices)
    tariff.check(config.limits or {})
    popsize = config.popsize or default_popsize(config.dim)
    batches, rest = divmod(config.budget, popsize)
    most = tariff.most(popsize).times(batches) + tariff.most(rest)
    limited = {name: min(limit, getattr(most, name)) for name, limit in (config.limits or {}).items()}
    scored = {"train": 1}
    if isinstance(objective, Validated):
        looks = config.budget // (config.validate_every or popsize) + 1
        scored |= {
            "dev": 1 + LOOK * looks,
            "test": 2,
        }  # with the hand-written prompt on each, the chosen one on test
    validation = sum((tariff.most(1, split).times(count) for split, count in scored.items()), Usage())
    return Forecast(
        search=replace(most, queries=config.budget, **limited),
        validation=replace(validation, queries=sum(scored.values())),
        estimated=isinstance(objective, Estimating),
    )
