"""Gradient-based methods, with peft's implementation if it has one."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from peft import (
    LoraConfig,
    PrefixTuningConfig,
    PromptEncoderConfig,
    PromptTuningConfig,
    TaskType,
    get_peft_model,
    initialize_kv_prefix_from_past_key_values,
)
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN_ATTENTION
from torch import Tensor, nn

import dfo_prompt as dp
from dfo_prompt._util.parsing import parse
from dfo_prompt._util.seeding import Stream, generator
from dfo_prompt.lm.layers import Layers
from dfo_prompt.prompt.initial import initial_prompt_of
from dfo_prompt.prompt.projections.learned import TunedPrompt
from dfo_prompt_baselines.training import Prepare, Recipe, Size, train

Training = dict[str, Any] | None
"""Fields of `Recipe` by name; by default, learning rates are those of the method."""
TASK_TYPES = {"causal": TaskType.CAUSAL_LM, "masked": TaskType.FEATURE_EXTRACTION}


def prompt_tuning(setting: dp.Setting, *, prompt_tokens: dp.Count = 50, training: Training = None) -> dp.Fitted:
    """Train a soft prompt from the default start of a study with the same seed; see `Recipe`.

    Writes prompt.safetensors into the study's folder, for `dfo-prompt pretrain-projection`.

    Args:
        setting: the entry's setting.
        prompt_tokens: P, the number of trained embeddings before the text.
        training: a table that sets learning_rates (by default [0.03, 0.003]; the best on dev is used), epochs, batch_size,
            patience or dtype; see `Recipe`.
    """
    recipe = _recipe(training, (3e-2, 3e-3))
    config = PromptTuningConfig(num_virtual_tokens=prompt_tokens, **_peft_sizes(setting))
    start = _start(setting, prompt_tokens)

    def begin(model: Any) -> None:
        model.prompt_encoder["default"].embedding.weight.copy_(start)

    return train(
        setting.problem, _by_peft(config, begin), recipe, prompt_tokens=prompt_tokens, save=partial(_save_prompt, setting)
    )


def p_tuning(setting: dp.Setting, *, prompt_tokens: dp.Count = 50, training: Training = None) -> dp.Fitted:
    """Train a soft prompt as the output of a small network; see `Recipe`.

    Args:
        setting: the entry's setting.
        prompt_tokens: P, the number of embeddings before the text.
        training: a table that sets learning_rates (by default [0.003, 0.0003]; the best on dev is used), epochs, batch_size,
            patience or dtype; see `Recipe`.
    """
    recipe = _recipe(training, (3e-3, 3e-4))
    width = setting.problem.lm.width
    config = PromptEncoderConfig(num_virtual_tokens=prompt_tokens, encoder_hidden_size=width, **_peft_sizes(setting))
    return train(setting.problem, _by_peft(config), recipe, prompt_tokens=prompt_tokens)


def prefix_tuning(setting: dp.Setting, *, prompt_tokens: dp.Count = 20, training: Training = None) -> dp.Fitted:
    """Train prefix keys and values of every layer, without a reparametrization, as P-Tuning v2 does; see `Recipe`.

    A decoder's prefix starts from the keys and values of vocabulary tokens (Li and Liang, 2021, section 7.4); peft draws an
    encoder's from N(0, 1), as P-Tuning v2 does.

    Args:
        setting: the entry's setting.
        prompt_tokens: P, the number of trained keys and values ahead of every layer.
        training: a table that sets learning_rates (by default [0.01, 0.001]; the best on dev is used), epochs, batch_size,
            patience or dtype; see `Recipe`.

    Raises:
        ModelError: the model ignores the prefix.
    """
    recipe = _recipe(training, (1e-2, 1e-3))
    lm, start = setting.problem.lm, _start(setting, prompt_tokens)
    sizes = {**_peft_sizes(setting), "token_dim": _layer_width(lm)}
    config = PrefixTuningConfig(num_virtual_tokens=prompt_tokens, **sizes)

    def begin(model: Any) -> None:
        base = model.get_base_model()
        if lm.head == "causal":
            computed = base(inputs_embeds=start[None], use_cache=True).past_key_values
            initialize_kv_prefix_from_past_key_values(model, past_key_values=computed)
        ids = torch.tensor([lm.tokens(":")], device=lm.device)  # an arbitrary text
        if torch.equal(model(input_ids=ids).logits, base(input_ids=ids).logits):
            raise dp.ModelError(f"{lm.name!r} ignores keys and values ahead of a text, so they cannot be tuned")

    return train(setting.problem, _by_peft(config, begin), recipe, prompt_tokens=prompt_tokens)


def lora(setting: dp.Setting, *, rank: Size = 8, alpha: dp.Count = 16, training: Training = None) -> dp.Fitted:
    """Train low-rank updates of the modules that peft selects for the family, or else of all linear layers; see `Recipe`.

    Args:
        setting: the entry's setting.
        rank: rank of each update.
        alpha: scale of the updates, which are multiplied by alpha / rank.
        training: a table that sets learning_rates (by default [0.001, 0.0001]; the best on dev is used), epochs, batch_size,
            patience or dtype; see `Recipe`.
    """
    lm = setting.problem.lm
    modules = None if lm.model.config.model_type in KNOWN_ATTENTION else "all-linear"
    task_type = TASK_TYPES.get(lm.head)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=modules, task_type=task_type)
    return train(setting.problem, _by_peft(config), _recipe(training, (1e-3, 1e-4)))


def adapter(setting: dp.Setting, *, width: Size = 32, training: Training = None) -> dp.Fitted:
    """Train a bottleneck of `width` after every layer, initially the identity; see `Recipe`.

    This is simpler than Houlsby et al. (2019), who put one after each of the two sublayers and also train the norms.

    Args:
        setting: the entry's setting.
        width: units of a bottleneck.
        training: a table that sets learning_rates (by default [0.001, 0.0001]; the best on dev is used), epochs, batch_size,
            patience or dtype; see `Recipe`.
    """

    def prepare(base: Any) -> nn.Module:
        base.requires_grad_(requires_grad=False)
        size = _layer_width(setting.problem.lm)
        base.adapters = nn.ModuleList(Bottleneck(size, width).to(base.device) for _ in range(len(Layers(base))))
        for layer, added in zip(Layers(base), base.adapters, strict=True):
            layer.register_forward_hook(added.behind)
        model: nn.Module = base
        return model

    return train(setting.problem, prepare, _recipe(training, (1e-3, 1e-4)))


def bitfit(setting: dp.Setting, *, training: Training = None) -> dp.Fitted:
    """Train only biases; linear layers without a bias get one of zeros; see `Recipe`.

    Args:
        setting: the entry's setting.
        training: a table that sets learning_rates (by default [0.001, 0.0001]; the best on dev is used), epochs, batch_size,
            patience or dtype; see `Recipe`.
    """

    def prepare(base: Any) -> nn.Module:
        base.requires_grad_(requires_grad=False)
        head = base.get_output_embeddings()
        for module in base.base_model.modules():
            if isinstance(module, nn.Linear) and module is not head and module.bias is None:
                module.bias = nn.Parameter(torch.zeros(module.out_features, device=module.weight.device))
        for name, weight in base.named_parameters():
            weight.requires_grad_(requires_grad=name.endswith("bias"))
        model: nn.Module = base
        return model

    return train(setting.problem, prepare, _recipe(training, (1e-3, 1e-4)))


def model_tuning(setting: dp.Setting, *, training: Training = None) -> dp.Fitted:
    """Train all weights; see `Recipe`.

    Args:
        setting: the entry's setting.
        training: a table that sets learning_rates (by default [0.00001]; the best on dev is used), epochs, batch_size,
            patience or dtype; see `Recipe`.
    """

    def prepare(base: Any) -> nn.Module:
        model: nn.Module = base.requires_grad_(requires_grad=True)
        return model

    return train(setting.problem, prepare, _recipe(training, (1e-5,)))


class Bottleneck(nn.Module):
    """The map x + W_up GELU(W_down x), with W_up initially zero."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(size, width), nn.Linear(width, size)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, states: Tensor) -> Tensor:
        """Map states (..., E) to states of the same shape."""
        changed: Tensor = states + self.up(nn.functional.gelu(self.down(states)))
        return changed

    def behind(self, _: nn.Module, __: Any, output: Any) -> Any:
        """Apply the bottleneck to a layer's output: states, or a tuple that begins with states."""
        return (self(output[0]), *output[1:]) if isinstance(output, tuple) else self(output)


def _save_prompt(setting: dp.Setting, model: Any) -> None:
    if setting.folder is None or setting.reopened:
        return
    lm, prompt = setting.problem.lm, model.get_prompt_embedding_to_save("default")  # (P, E)
    values = prompt.detach().double().cpu().numpy()
    tuned = TunedPrompt(prompt=values, task=setting.problem.task.name, model=lm.fingerprint)
    tuned.save(setting.folder / "prompt.safetensors")


def _start(setting: dp.Setting, prompt_tokens: int) -> Tensor:
    """Return a study's initial prompt (P, E) of vocabulary tokens: peft's N(0, 1) is far from all embeddings."""
    rng = generator(setting.problem.seed, Stream.START)
    return initial_prompt_of(setting.problem.lm, "vocabulary", prompt_tokens, rng)


def _by_peft(config: Any, begin: Callable[[Any], object] | None = None) -> Prepare:
    def prepare(base: Any) -> nn.Module:
        with warnings.catch_warnings(action="ignore"):  # deprecation warnings of transformers
            model: nn.Module = get_peft_model(base, config)
        if begin:
            with torch.no_grad():
                begin(model)
        return model

    return prepare


def _peft_sizes(setting: dp.Setting) -> dict[str, Any]:
    lm = setting.problem.lm
    return {"task_type": TASK_TYPES.get(lm.head), **lm.peft_sizes}


def _layer_width(lm: dp.LanguageModel) -> int:
    """Return the width of hidden states, which differs from that of embeddings in some families."""
    return int(lm.model.config.hidden_size)


def _recipe(training: Training, rates: tuple[float, ...]) -> Recipe:
    return parse(Recipe, {"learning_rates": rates, **(training or {})}, where="method option training")
