"""The optimizer example for dfo-prompt."""

import dfo_prompt as dp


@dp.hookimpl
def dfo_prompt_optimizers() -> list[dp.OptimizerSpec]:
    """Register the optimizer. Its module is imported on first use."""
    place = "dfo_prompt_example.optimizer:Example"
    return [dp.OptimizerSpec(name="example", target=place, summary="Random steps, halved on failure.")]
