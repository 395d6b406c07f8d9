"""The optimizer example for dfo-prompt."""

import dfo_prompt as dp


@dp.hookimpl
def dfo_prompt_optimizers() -> list[dp.OptimizerSpec]:
    """Provide the optimizer. Its module is imported on first use."""
    target = "dfo_prompt_example.optimizer:Example"
    return [dp.OptimizerSpec(name="example", target=target, summary="Random steps, halved on failure.")]
