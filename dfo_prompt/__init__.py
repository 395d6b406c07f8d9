"""Derivative-free optimization of prompts for language models that can only be queried."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfo_prompt.contracts.method import MethodSpec as MethodSpec
    from dfo_prompt.contracts.objective import Evaluation as Evaluation
    from dfo_prompt.contracts.objective import Objective as Objective
    from dfo_prompt.contracts.optimizer import Best as Best
    from dfo_prompt.contracts.optimizer import Optimizer as Optimizer
    from dfo_prompt.contracts.optimizer import OptimizerSpec as OptimizerSpec
    from dfo_prompt.contracts.spec import Spec as Spec
    from dfo_prompt.errors import DfoPromptError as DfoPromptError
    from dfo_prompt.errors import InputError as InputError
    from dfo_prompt.errors import PluginError as PluginError
    from dfo_prompt.errors import StudyError as StudyError
    from dfo_prompt.methods.setting import Fitted as Fitted
    from dfo_prompt.methods.setting import Setting as Setting
    from dfo_prompt.optimizers.inversion import CallbackOptimizer as CallbackOptimizer
    from dfo_prompt.optimizers.isolation import Isolation as Isolation
    from dfo_prompt.plugin.catalogue import catalogue as catalogue
    from dfo_prompt.plugin.hookspecs import hookimpl as hookimpl
    from dfo_prompt.report.frames import read_journal as read_journal
    from dfo_prompt.report.frames import read_suite as read_suite
    from dfo_prompt.run.factory import create_objective as create_objective
    from dfo_prompt.run.factory import create_optimizer as create_optimizer
    from dfo_prompt.run.study import minimize as minimize
    from dfo_prompt.study.ledger import Budget as Budget
    from dfo_prompt.study.ledger import Ledger as Ledger
    from dfo_prompt.study.ledger import Record as Record
    from dfo_prompt.study.result import Batch as Batch
    from dfo_prompt.study.result import Observer as Observer
    from dfo_prompt.study.result import StudyInfo as StudyInfo
    from dfo_prompt.study.result import StudyResult as StudyResult

_HOME = {
    "Batch": "study.result",
    "Best": "contracts.optimizer",
    "Budget": "study.ledger",
    "CallbackOptimizer": "optimizers.inversion",
    "DfoPromptError": "errors",
    "Evaluation": "contracts.objective",
    "Fitted": "methods.setting",
    "InputError": "errors",
    "Isolation": "optimizers.isolation",
    "Ledger": "study.ledger",
    "MethodSpec": "contracts.method",
    "Objective": "contracts.objective",
    "Observer": "study.result",
    "Optimizer": "contracts.optimizer",
    "OptimizerSpec": "contracts.optimizer",
    "PluginError": "errors",
    "Record": "study.ledger",
    "Setting": "methods.setting",
    "Spec": "contracts.spec",
    "StudyError": "errors",
    "StudyInfo": "study.result",
    "StudyResult": "study.result",
    "catalogue": "plugin.catalogue",
    "create_objective": "run.factory",
    "create_optimizer": "run.factory",
    "hookimpl": "plugin.hookspecs",
    "minimize": "run.study",
    "read_journal": "report.frames",
    "read_suite": "report.frames",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    # Lazy, so that the command line need not import what it does not use.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
