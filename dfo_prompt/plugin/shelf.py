"""The specs of one kind, by name."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.errors import InputError, PluginError, UnknownNameError, needs_extra

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True, kw_only=True)
class Shelf(Generic[S]):
    """The specs of one kind by name, and the plugins that give them.

    Attributes:
        kind: the kind in the singular, for messages.
        specs: specs by name, in the order in which plugins offer them.
        providers: plugins that offer each name.
        distributions: distribution of each plugin that has one.
    """

    kind: str
    specs: Mapping[str, S]
    providers: Mapping[str, tuple[str, ...]]
    distributions: Mapping[str, str]

    def __iter__(self) -> Iterator[S]:
        return iter(self.specs[name] for name in sorted(self.specs))

    def find(self, name: str) -> S:
        """Return the spec called `name`, or the registry "family:*" that covers it.

        Raises:
            UnknownNameError: nothing with the name is installed.
            PluginError: two plugins offer the name.
        """
        key = name if name in self.specs else f"{name.partition(':')[0]}:*"
        if key not in self.specs or (key != name and ":" not in name):
            raise UnknownNameError.among(self.kind, name, self.specs)
        providers = self.providers[key]
        if len(providers) > 1:
            raise PluginError(f"{self.kind} {key!r} is offered by {' and by '.join(providers)}; uninstall one of them")
        return self.specs[key]

    def load(self, name: str) -> Any:
        """Import and return the target of the spec called `name`.

        Raises:
            UnknownNameError, PluginError: see `find` and `Spec.load`.
            InputError: the target needs an extra of its distribution that is not installed.
        """
        spec = self.find(name)
        try:
            return spec.load()
        except PluginError as error:
            distribution = self.distributions.get(self.providers[spec.name][0])
            if spec.extra and distribution and isinstance(error.__cause__, ImportError):
                fault = needs_extra(f"{self.kind} {name!r}", spec.extra, distribution=distribution)
                raise InputError(fault) from error
            raise

    def bound(self, name: str) -> Callable[..., Any]:
        """Return the target of the spec called `name`, with the spec's fixed options applied.

        Raises:
            UnknownNameError, PluginError, InputError: see `load`.
        """
        return partial(self.load(name), **self.find(name).options)
