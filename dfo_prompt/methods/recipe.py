"""Names the best known method without gradients `recipe`."""

from dfo_prompt.config.presets import read_preset
from dfo_prompt.methods.setting import Fitted, Setting
from dfo_prompt.plugin.entries import arguments_of, target_of

PRESET = "recipe"


def recipe(setting: Setting) -> Fitted:
    """Run the method of the preset `recipe` with its options."""
    frozen = read_preset(PRESET)
    name = frozen["method"]
    fitted: Fitted = target_of("method", name)(setting, **arguments_of("method", name, frozen["method_options"]))
    return fitted
