"""Names the best known method without gradients `recipe`."""

from dfo_prompt.config.presets import read_preset
from dfo_prompt.methods.decoders import describe_chain
from dfo_prompt.methods.setting import Fitted, Setting
from dfo_prompt.plugin.entries import arguments_of, target_of
from dfo_prompt.types import Json

PRESET = "recipe"


def recipe(setting: Setting) -> Fitted:
    """Run the method of the preset `recipe` with its options."""
    frozen = read_preset(PRESET)
    name = frozen["method"]
    fitted: Fitted = target_of("method", name)(setting, **arguments_of("method", name, frozen["method_options"]))
    return fitted


def describe_recipe(setting: Setting) -> dict[str, Json]:
    """Return the preset's method and options, and the task's chain, for the manifest: another recipe is another study."""
    frozen = read_preset(PRESET)
    options: Json = frozen["method_options"]
    return {"recipe": {"method": frozen["method"], "options": options}, **describe_chain(setting)}
