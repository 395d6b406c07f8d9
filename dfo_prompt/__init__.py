"""Derivative-free optimization of prompts for language models that can only be queried."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfo_prompt._util.parsing import Positive as Positive
    from dfo_prompt.api.compare import compare as compare
    from dfo_prompt.api.minimize import minimize as minimize
    from dfo_prompt.api.minimize_result import MinimizeResult as MinimizeResult
    from dfo_prompt.api.run_suite import run_suite as run_suite
    from dfo_prompt.api.suites import SuiteResult as SuiteResult
    from dfo_prompt.api.tune import TuneResult as TuneResult
    from dfo_prompt.api.tune import tune as tune
    from dfo_prompt.config.endpoint import EndpointConfig as EndpointConfig
    from dfo_prompt.config.prices import Prices as Prices
    from dfo_prompt.config.problem import Count as Count
    from dfo_prompt.config.problem import ProblemConfig as ProblemConfig
    from dfo_prompt.config.prompt import PromptConfig as PromptConfig
    from dfo_prompt.config.study import StudyConfig as StudyConfig
    from dfo_prompt.contracts.endpoint import Capabilities as Capabilities
    from dfo_prompt.contracts.endpoint import Endpoint as Endpoint
    from dfo_prompt.contracts.endpoint import EndpointOutageError as EndpointOutageError
    from dfo_prompt.contracts.endpoint import Form as Form
    from dfo_prompt.contracts.endpoint import Label as Label
    from dfo_prompt.contracts.endpoint import Row as Row
    from dfo_prompt.contracts.endpoint import Scores as Scores
    from dfo_prompt.contracts.method import MethodSpec as MethodSpec
    from dfo_prompt.contracts.objective import Composite as Composite
    from dfo_prompt.contracts.objective import Described as Described
    from dfo_prompt.contracts.objective import Estimating as Estimating
    from dfo_prompt.contracts.objective import Evaluation as Evaluation
    from dfo_prompt.contracts.objective import Layered as Layered
    from dfo_prompt.contracts.objective import Numbered as Numbered
    from dfo_prompt.contracts.objective import Objective as Objective
    from dfo_prompt.contracts.objective import Outer as Outer
    from dfo_prompt.contracts.objective import Remote as Remote
    from dfo_prompt.contracts.objective import Textual as Textual
    from dfo_prompt.contracts.objective import Validated as Validated
    from dfo_prompt.contracts.optimizer import Best as Best
    from dfo_prompt.contracts.optimizer import Optimizer as Optimizer
    from dfo_prompt.contracts.optimizer import StructuredOptimizer as StructuredOptimizer
    from dfo_prompt.contracts.spec import ExporterSpec as ExporterSpec
    from dfo_prompt.contracts.spec import MetricSpec as MetricSpec
    from dfo_prompt.contracts.spec import ObjectiveSpec as ObjectiveSpec
    from dfo_prompt.contracts.spec import ObserverSpec as ObserverSpec
    from dfo_prompt.contracts.spec import OptimizerSpec as OptimizerSpec
    from dfo_prompt.contracts.spec import Spec as Spec
    from dfo_prompt.contracts.usage import Usage as Usage
    from dfo_prompt.errors import DataError as DataError
    from dfo_prompt.errors import DfoPromptError as DfoPromptError
    from dfo_prompt.errors import InputError as InputError
    from dfo_prompt.errors import ModelError as ModelError
    from dfo_prompt.errors import OutageError as OutageError
    from dfo_prompt.errors import PluginError as PluginError
    from dfo_prompt.errors import StudyError as StudyError
    from dfo_prompt.errors import UnknownNameError as UnknownNameError
    from dfo_prompt.lm.calibration import Calibration as Calibration
    from dfo_prompt.lm.load import LanguageModel as LanguageModel
    from dfo_prompt.methods.setting import Fitted as Fitted
    from dfo_prompt.methods.setting import Predict as Predict
    from dfo_prompt.methods.setting import Setting as Setting
    from dfo_prompt.objectives.functions import Embedded as Embedded
    from dfo_prompt.objectives.outer import CrossEntropy as CrossEntropy
    from dfo_prompt.objectives.outer import LeastSquares as LeastSquares
    from dfo_prompt.optimizers.inversion import CallbackOptimizer as CallbackOptimizer
    from dfo_prompt.optimizers.isolation import Isolation as Isolation
    from dfo_prompt.plugin.catalogue import catalogue as catalogue
    from dfo_prompt.plugin.hookspecs import hookimpl as hookimpl
    from dfo_prompt.prompt.objective import PromptObjective as PromptObjective
    from dfo_prompt.prompt.problem import Problem as Problem
    from dfo_prompt.prompt.projections.affine import Space as Space
    from dfo_prompt.prompt.text.objective import TextObjective as TextObjective
    from dfo_prompt.report.analysis import Analysis as Analysis
    from dfo_prompt.report.frames import read_journal as read_journal
    from dfo_prompt.report.frames import read_suite as read_suite
    from dfo_prompt.report.section import Section as Section
    from dfo_prompt.run.factory import create_objective as create_objective
    from dfo_prompt.run.factory import create_optimizer as create_optimizer
    from dfo_prompt.run.observers import create_observer as create_observer
    from dfo_prompt.study.budget import Budget as Budget
    from dfo_prompt.study.costs import Spent as Spent
    from dfo_prompt.study.ledger import Ledger as Ledger
    from dfo_prompt.study.records import Record as Record
    from dfo_prompt.study.result import Batch as Batch
    from dfo_prompt.study.result import Observer as Observer
    from dfo_prompt.study.result import StudyInfo as StudyInfo
    from dfo_prompt.study.result import StudyResult as StudyResult
    from dfo_prompt.study.result import Validation as Validation
    from dfo_prompt.tasks.examples import Example as Example
    from dfo_prompt.tasks.examples import Texts as Texts
    from dfo_prompt.tasks.task import Task as Task
    from dfo_prompt.types import Bounds as Bounds
    from dfo_prompt.types import Json as Json
    from dfo_prompt.types import Matrix as Matrix
    from dfo_prompt.types import Vector as Vector

_HOME = {
    "Analysis": "report.analysis",
    "Batch": "study.result",
    "Best": "contracts.optimizer",
    "Bounds": "types",
    "Budget": "study.budget",
    "Calibration": "lm.calibration",
    "Capabilities": "contracts.endpoint",
    "Composite": "contracts.objective",
    "Count": "config.problem",
    "CrossEntropy": "objectives.outer",
    "DataError": "errors",
    "Described": "contracts.objective",
    "CallbackOptimizer": "optimizers.inversion",
    "DfoPromptError": "errors",
    "Embedded": "objectives.functions",
    "Endpoint": "contracts.endpoint",
    "EndpointConfig": "config.endpoint",
    "EndpointOutageError": "contracts.endpoint",
    "Estimating": "contracts.objective",
    "Evaluation": "contracts.objective",
    "Example": "tasks.examples",
    "ExporterSpec": "contracts.spec",
    "Fitted": "methods.setting",
    "Form": "contracts.endpoint",
    "InputError": "errors",
    "Json": "types",
    "Label": "contracts.endpoint",
    "LanguageModel": "lm.load",
    "Layered": "contracts.objective",
    "LeastSquares": "objectives.outer",
    "Isolation": "optimizers.isolation",
    "Ledger": "study.ledger",
    "Matrix": "types",
    "MethodSpec": "contracts.method",
    "MetricSpec": "contracts.spec",
    "MinimizeResult": "api.minimize_result",
    "ModelError": "errors",
    "Numbered": "contracts.objective",
    "Remote": "contracts.objective",
    "Objective": "contracts.objective",
    "ObjectiveSpec": "contracts.spec",
    "Observer": "study.result",
    "ObserverSpec": "contracts.spec",
    "Optimizer": "contracts.optimizer",
    "OptimizerSpec": "contracts.spec",
    "OutageError": "errors",
    "Outer": "contracts.objective",
    "PluginError": "errors",
    "Positive": "_util.parsing",
    "Prices": "config.prices",
    "ProblemConfig": "config.problem",
    "PromptConfig": "config.prompt",
    "Predict": "methods.setting",
    "Problem": "prompt.problem",
    "PromptObjective": "prompt.objective",
    "Row": "contracts.endpoint",
    "Scores": "contracts.endpoint",
    "Section": "report.section",
    "Record": "study.records",
    "Setting": "methods.setting",
    "Space": "prompt.projections.affine",
    "Spec": "contracts.spec",
    "Spent": "study.costs",
    "StructuredOptimizer": "contracts.optimizer",
    "StudyConfig": "config.study",
    "StudyError": "errors",
    "StudyInfo": "study.result",
    "StudyResult": "study.result",
    "SuiteResult": "api.suites",
    "TuneResult": "api.tune",
    "Task": "tasks.task",
    "TextObjective": "prompt.text.objective",
    "Texts": "tasks.examples",
    "Textual": "contracts.objective",
    "UnknownNameError": "errors",
    "Validated": "contracts.objective",
    "Validation": "study.result",
    "Vector": "types",
    "Usage": "contracts.usage",
    "catalogue": "plugin.catalogue",
    "compare": "api.compare",
    "create_objective": "run.factory",
    "create_observer": "run.observers",
    "create_optimizer": "run.factory",
    "hookimpl": "plugin.hookspecs",
    "minimize": "api.minimize",
    "read_journal": "report.frames",
    "read_suite": "report.frames",
    "run_suite": "api.run_suite",
    "tune": "api.tune",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    # Lazy imports keep the command line's start-up fast.
    if name == "__version__":
        return version("dfo-prompt")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__]
