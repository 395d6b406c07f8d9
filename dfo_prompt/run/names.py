"""Checks the names of a configuration, before a model or data are loaded."""

from dfo_prompt.config.study import STUDY, StudyConfig
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.run.study import optimizer_of


def check_names(config: StudyConfig) -> None:
    """Refuse a name that nothing installed answers to, and options that the optimizer does not have.

    Raises:
        InputError: a name or an option is unknown, or the optimizer refuses a value.
        PluginError: the optimizer cannot be built.
    """
    found = catalogue()
    found.methods.find(config.method)
    found.objectives.find(config.objective)
    for kind in (found.tasks, found.projections):
        name = config.objective_options.get(kind.kind)
        if isinstance(name, str) and not name.endswith(".toml"):
            kind.find(name)
    if config.method == STUDY:
        optimizer_of(config)  # it is built again for the study: it takes neither model nor data
