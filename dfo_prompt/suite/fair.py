"""Refuses suites whose entries cannot be compared: other problems, losses or budgets."""

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from operator import attrgetter

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError, UnknownNameError
from dfo_prompt.plugin.entries import find, takes_problem
from dfo_prompt.run.built import plugin_of
from dfo_prompt.study.identity import lasting
from dfo_prompt.suite.config import Measure
from dfo_prompt.suite.plan import Plan

FUNCTION_KEYS = ("objective", "plugin", "objective_options", "dim")
LOSS_KEYS = (*FUNCTION_KEYS, "prompt.loss", "prompt.calibration")
"""The settings that can make two losses different; the first ones define the function of an objective without a model."""


def check_fair(plans: Sequence[Plan], measure: Measure, where: str) -> None:
    """Refuse plans of one problem that differ in data, loss or budget, and problems that are the same.

    Args:
        plans: the studies of the suite.
        measure: the measure by which they are ranked.
        where: source of the suite, for errors.

    Raises:
        InputError: the message names two entries and what differs.
    """
    _check_different(plans, where)
    _check_problems(plans, where)
    check_losses(plans, measure, where)
    check_budgets(plans, where)


def _check_different(plans: Sequence[Plan], where: str) -> None:
    studies: dict[str, list[tuple[str, StudyConfig]]] = {}
    for plan in plans:
        studies.setdefault(plan.problem, []).append((plan.optimizer, plan.config))
    for first, second in combinations(studies, 2):
        if studies[first] == studies[second]:
            raise InputError(f"{where}: problems {first!r} and {second!r} are the same; their tables must differ")


def _check_problems(plans: Sequence[Plan], where: str) -> None:
    first: dict[str, Plan] = {}
    for plan in plans:
        reference = first.setdefault(plan.problem, plan)
        if plan.config.problem != reference.config.problem:
            both = f"{reference.optimizer!r} and {plan.optimizer!r}"
            raise InputError(
                f"{where}: model, task or data of {both} differ on {plan.problem!r}; set problem in [[problems]]"
            )


def different_losses(plans: Sequence[Plan]) -> Iterator[tuple[str, Plan, Plan]]:
    """Yield the plans with another loss than an earlier plan of their problem: the key that differs, that plan and the plan.

    Objectives of language models, their options and dimensions may differ: they select prompts, whose loss is the same.
    Those of other objectives define the function.
    """
    first: dict[str, dict[str, Plan]] = {}  # by problem and objective
    for plan in (plan for plan in plans if plan.queries):
        references = first.setdefault(plan.problem, {})
        references.setdefault(plan.config.objective, plan)
        for reference, key in product(references.values(), LOSS_KEYS):
            ours, theirs = (_setting(one.config, key) for one in (plan, reference))
            if ours != theirs and _defines_loss(key, plan.config, reference.config):
                yield key, reference, plan


def check_losses(plans: Sequence[Plan], measure: Measure, where: str) -> None:
    """Refuse to rank entries by different losses.

    Raises:
        InputError: the message names two entries and what differs.
    """
    if measure == "test_metric":
        return
    for key, reference, plan in different_losses(plans):
        both = f"{reference.optimizer!r} and {plan.optimizer!r}"
        fault = f"{key} of {both} differ on {plan.problem!r}, so that their losses cannot be compared"
        raise InputError(f'{where}: {fault}; set it in [study] or [[problems]], or measure = "test_metric"')


def _setting(study: StudyConfig, key: str) -> object:
    if key == "plugin" and not _is_of_plugin(study):
        return None
    if key == "objective_options":
        return lasting({"objective": study.objective, key: study.objective_options})[key]
    return attrgetter(key)(study)


def _is_of_plugin(study: StudyConfig) -> bool:
    """Tell whether only the study's plugin file offers its objective."""
    try:
        find("objective", study.objective)
    except UnknownNameError:
        return True
    return False


def _defines_loss(key: str, ours: StudyConfig, theirs: StudyConfig) -> bool:
    """Tell whether two studies have other losses if they differ in `key`."""
    models = _scores_model(ours) and _scores_model(theirs)
    if key in FUNCTION_KEYS:
        return not models
    return models or ours.objective == theirs.objective


def _scores_model(study: StudyConfig) -> bool:
    with plugin_of(study):
        return takes_problem(study.objective)


def check_budgets(plans: Sequence[Plan], where: str) -> None:
    """Refuse entries of a problem with other budgets, limits, prices or rules to stop.

    Raises:
        InputError: the message names two entries and what differs.
    """
    first: dict[str, Plan] = {}
    for plan in plans:
        reference = first.setdefault(plan.problem, plan) if plan.queries else plan
        both = f"{reference.optimizer!r} and {plan.optimizer!r}"
        if plan.config.limits != reference.config.limits:
            raise InputError(f"{where}: limits of {both} differ on {plan.problem!r}; set them in [study], or cross them")
        if "nanodollars" in (plan.config.limits or {}) and plan.config.prices != reference.config.prices:
            raise InputError(f"{where}: prices of {both} differ on {plan.problem!r}; set them in [study], or cross them")
        if plan.config.stop != reference.config.stop:
            raise InputError(
                f"{where}: rules of {both} to stop differ on {plan.problem!r}; set them in [study], or cross them"
            )
        if plan.config.budget != reference.config.budget:
            budget = f"{reference.optimizer!r} has {reference.config.budget:,} queries on {plan.problem!r}"
            raise InputError(
                f"{where}: {budget}, and {plan.optimizer!r} {plan.config.budget:,}; on one problem all have the same "
                "budget: set it in [study], or cross it"
            )
