"""Derivative-free optimization of prompts for language models that can only be queried."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfo_prompt.build import create_objective as create_objective
    from dfo_prompt.build import create_optimizer as create_optimizer
    from dfo_prompt.errors import DfoPromptError as DfoPromptError
    from dfo_prompt.errors import InputError as InputError
    from dfo_prompt.errors import PluginError as PluginError
    from dfo_prompt.errors import StudyError as StudyError
    from dfo_prompt.hookspecs import hookimpl as hookimpl
    from dfo_prompt.ledger import Budget as Budget
    from dfo_prompt.ledger import Ledger as Ledger
    from dfo_prompt.ledger import Record as Record
    from dfo_prompt.method import MethodSpec as MethodSpec
    from dfo_prompt.methods.setting import Fitted as Fitted
    from dfo_prompt.methods.setting import Setting as Setting
    from dfo_prompt.objective import Evaluation as Evaluation
    from dfo_prompt.objective import Objective as Objective
    from dfo_prompt.optimizer import Best as Best
    from dfo_prompt.optimizer import Optimizer as Optimizer
    from dfo_prompt.optimizer import OptimizerSpec as OptimizerSpec
    from dfo_prompt.plugins import catalogue as catalogue
    from dfo_prompt.report.frames import read_journal as read_journal
    from dfo_prompt.report.frames import read_suite as read_suite
    from dfo_prompt.result import Batch as Batch
    from dfo_prompt.result import Observer as Observer
    from dfo_prompt.result import StudyInfo as StudyInfo
    from dfo_prompt.result import StudyResult as StudyResult
    from dfo_prompt.run import minimize as minimize
    from dfo_prompt.specs import Spec as Spec

_HOME = {
    "Batch": "result",
    "Best": "optimizer",
    "Budget": "ledger",
    "DfoPromptError": "errors",
    "Evaluation": "objective",
    "Fitted": "methods.setting",
    "InputError": "errors",
    "Ledger": "ledger",
    "MethodSpec": "method",
    "Objective": "objective",
    "Observer": "result",
    "Optimizer": "optimizer",
    "OptimizerSpec": "optimizer",
    "PluginError": "errors",
    "Record": "ledger",
    "Setting": "methods.setting",
    "Spec": "specs",
    "StudyError": "errors",
    "StudyInfo": "result",
    "StudyResult": "result",
    "catalogue": "plugins",
    "create_objective": "build",
    "create_optimizer": "build",
    "hookimpl": "hookspecs",
    "minimize": "run",
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
