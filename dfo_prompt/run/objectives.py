"""Builds objectives and caches the last one, for studies that differ only in their optimizer."""

from dfo_prompt._util.reading import absolute
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Objective
from dfo_prompt.plugin.files import digest_of
from dfo_prompt.run.built import objective_of


def objective_key(config: StudyConfig) -> str:
    """Return a key that is equal for studies with the same objective."""
    options = sorted(config.objective_options.items())
    tables = (config.problem, config.prompt, config.endpoint)
    return repr((config.objective, config.dim, config.seed, config.plugin, *tables, options))


class Objectives:
    """Caches the last objective."""

    def __init__(self) -> None:
        self._key = ("", "")
        self._objective: Objective | None = None

    def get(self, config: StudyConfig) -> Objective:
        """Return the objective of a study; see `objective_of`. A plugin file that was edited is used as it is now."""
        key = objective_key(config), digest_of(absolute(config.plugin)) if config.plugin else ""
        if self._objective is None or key != self._key:
            self._objective = None  # release the old objective first: two may not fit in memory
            self._objective, self._key = objective_of(config), key
        return self._objective
