"""The observers of a study: those that watch every study, and the trackers that the study requests."""

import warnings
from collections.abc import Mapping, Sequence

from dfo_prompt.contracts.spec import ObserverSpec, Spec
from dfo_prompt.errors import InputError, PluginError, one_line
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.plugin.entries import arguments_of, target_of
from dfo_prompt.study.result import Observer


def create_observer(name: str, **options: object) -> Observer:
    """Build the observer or tracker `name`; `options` are its options.

    Raises:
        InputError: the name or an option is unknown, a value is invalid, or a required package is not installed.
        PluginError: the observer cannot be built for another reason.
    """
    target, arguments = target_of("observer", name), arguments_of("observer", name, options)
    try:
        built: Observer = target(**arguments)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"observer {name!r} cannot be built: {one_line(error)}") from error
    return built


def observers_of(trackers: Mapping[str, Mapping[str, object]]) -> Sequence[Observer]:
    """Return the observers that watch every study, and `trackers`: options by name.

    An observer that cannot be built is left out with a warning.

    Raises:
        InputError: a tracker is unknown, its package is not installed, or an option is bad.
    """
    for name in trackers:
        target_of("observer", name)
    specs = [spec for spec in catalogue().observers if spec.name in trackers or not _on_request(spec)]
    return [observer for spec in specs if (observer := _built(spec, trackers)) is not None]


def _on_request(spec: Spec) -> bool:
    return isinstance(spec, ObserverSpec) and spec.on_request


def _built(spec: Spec, trackers: Mapping[str, Mapping[str, object]]) -> Observer | None:
    try:
        return create_observer(spec.name, **trackers.get(spec.name, {}))
    except (InputError, PluginError) as error:
        if isinstance(error, InputError) and spec.name in trackers:
            raise
        cause = error.__cause__ if isinstance(error, PluginError) and error.__cause__ else error
        warnings.warn(f"observer {spec.name!r} failed and is left out: {one_line(cause)}", RuntimeWarning, stacklevel=2)
        return None
