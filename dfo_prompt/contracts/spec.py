"""Specs: descriptions of plugin entries that can be listed without importing their code."""

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from dfo_prompt._util.contained import contained
from dfo_prompt.errors import PluginError, one_line

TEXT_FILE = "prompt.txt"
"""The file with the answer's text, in a study of a `Textual` objective."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A named entry and the location of its code.

    Attributes:
        target: "package.module:attribute", imported on first use.
        options: keyword arguments that this entry fixes, so that several names can share a class; users cannot change them.
        extra: extra of the plugin's distribution that installs the target's dependencies, named in the error without them.
        defaults: keyword arguments that this entry sets unless the user does.
    """

    name: str
    target: str
    summary: str
    options: Mapping[str, object] = field(default_factory=dict)
    extra: str = ""
    defaults: Mapping[str, object] = field(default_factory=dict)

    def load(self) -> Any:
        """Import and return the target.

        Raises:
            PluginError: the module or the attribute cannot be imported.
        """
        return load_target(self.target, needed_by=self.name)


@dataclass(frozen=True, kw_only=True)
class OptimizerSpec(Spec):
    """An optimizer that a plugin offers.

    A `name` that ends in ":*" stands for a whole registry: the text that the user writes in place of the star is passed to
    the constructor as the option `variant`.

    Attributes:
        deterministic: the same arguments and losses give the same candidates; studies of an optimizer with False restart
            instead of continuing.
        ignores: those of "x0", "sigma", "bounds" and "popsize" without any effect, as shown by
            `dfo-prompt list optimizers NAME`.
        adapts: those of them that are honoured in part, and how: {"sigma": "of the first population only"}.
        least_popsize: the backend's smallest population, used in place of a smaller `popsize`.
        variants: "package.module:function", for a registry: the function returns the names that can replace the star.
        wraps: the part of the name after its first colon is the name of an optimizer that this one drives, so that its
            declarations and its code count too.
    """

    deterministic: bool = True
    ignores: tuple[str, ...] = ()
    adapts: Mapping[str, str] = field(default_factory=dict)
    least_popsize: int = 1
    variants: str = ""
    wraps: bool = False


@dataclass(frozen=True, kw_only=True)
class ObjectiveSpec(Spec):
    """An objective whose dimension follows from its settings.

    Attributes:
        dimension: "package.module:function": the function takes the study's `problem` and the objective's options by keyword
            and returns d, the default of the study's dim.
    """

    dimension: str


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Spec):
    """A model that a plugin offers: its target returns a folder, a GGUF file or a hub id.

    Attributes:
        hub: the model's hub id, if it has one.
    """

    hub: str = ""


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Spec):
    """A metric that a plugin offers.

    Attributes:
        classes: the number of classes that the metric requires; None means any.
        texts: whether the metric scores answers that are texts, instead of classes.
    """

    classes: int | None = None
    texts: bool = False


@dataclass(frozen=True, kw_only=True)
class ExporterSpec(Spec):
    """An exporter of tuned prompts that a plugin offers.

    Attributes:
        place: default name of the file or folder that it writes, below the study.
        takes: the kind of prompt that it exports: "soft", of `SoftPrompts` (a `PromptObjective` or a
            `GenerationObjective`), or "text", of a `Textual` objective.
        card: True to add a README.md with the study's figures beside the task.json in the folder that it writes.
    """

    place: str
    takes: str = "soft"
    card: bool = False


@dataclass(frozen=True, kw_only=True)
class ObserverSpec(Spec):
    """An observer that a plugin offers.

    Attributes:
        on_request: True if it watches only studies that name it, by `--tracker` or under [trackers]; False for every study.
    """

    on_request: bool = True


def load_target(target: str, *, needed_by: str) -> Any:
    """Import and return "package.module:attribute".

    Raises:
        PluginError: the module or the attribute cannot be imported.
    """
    module, _, attribute = target.partition(":")
    try:
        with nullcontext() if module in sys.modules else contained():
            return getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a backend built for another NumPy can raise anything
        raise PluginError(f"{needed_by!r} needs {target!r}, which failed to import: {one_line(error)}") from error
