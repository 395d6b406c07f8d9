"""Specs: what a plugin hands over so that a thing can be listed without being imported."""

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from dfo_prompt._util.contained import contained
from dfo_prompt.errors import PluginError, one_line

TEXT_FILE = "prompt.txt"
"""Of a study whose candidates stand for texts: that of its answer."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A named thing of some kind, and where its code lies.

    `target` is "package.module:attribute"; it is imported when the thing is first used. `options` are keyword arguments
    fixed by this entry, so that one class can stand behind several names: a user cannot change them. `defaults` are those
    that it sets unless a user does. `extra` is the extra of the plugin's own distribution that brings what the target
    imports, for the message when it is missing.
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
    """An optimizer as a plugin offers it.

    A `name` that ends in ":*" stands for a whole registry: what the user puts in place of the star reaches the constructor
    as the option `variant`.

    Attributes:
        deterministic: the same arguments and losses give the same candidates. One that cannot promise it says False here;
            its studies start over instead of being continued.
        ignores: which of "x0", "sigma", "bounds", "popsize" change nothing at all, as `dfo-prompt list optimizers NAME`
            says.
        adapts: which of them are honoured in part, and how: {"sigma": "of the first population only"}.
        least_popsize: the backend's smallest population, which takes the place of a smaller `popsize`.
        variants: of a registry, "package.module:function", the function returning the names that can replace the star.
    """

    deterministic: bool = True
    ignores: tuple[str, ...] = ()
    adapts: Mapping[str, str] = field(default_factory=dict)
    least_popsize: int = 1
    variants: str = ""


@dataclass(frozen=True, kw_only=True)
class ObjectiveSpec(Spec):
    """An objective whose dimension follows from its settings.

    Attributes:
        dimension: "package.module:function", the function returning d from the study's `problem` and the objective's
            options, by keyword; a study that does not set dim has it.
    """

    dimension: str


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Spec):
    """A model as a plugin offers it: its target returns a folder, a GGUF file or a hub id.

    Attributes:
        hub: the hub id that others get it by, if it has one.
    """

    hub: str = ""


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Spec):
    """A metric as a plugin offers it.

    Attributes:
        classes: the number of classes that it is for; None means any.
        texts: whether it scores answers that are texts, instead of classes.
    """

    classes: int | None = None
    texts: bool = False


@dataclass(frozen=True, kw_only=True)
class ExporterSpec(Spec):
    """An exporter of tuned prompts as a plugin offers it.

    Attributes:
        place: name of the file or folder that it writes, below the study unless the user names another.
        takes: the prompts that it is for: "soft" ones, of a `PromptObjective`, or those that are a "text", of an objective
            that is `Textual`.
        card: whether a README.md with the study's figures goes into the folder that it writes, beside its task.json.
    """

    place: str
    takes: str = "soft"
    card: bool = False


@dataclass(frozen=True, kw_only=True)
class ObserverSpec(Spec):
    """An observer as a plugin offers it.

    Attributes:
        on_request: it watches only studies that name it, by `--tracker` or under [trackers]; others watch every study.
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
    except (Exception, SystemExit) as error:  # a backend built for another NumPy raises whatever it likes
        raise PluginError(f"{needed_by!r} needs {target!r}, which failed to import: {one_line(error)}") from error
