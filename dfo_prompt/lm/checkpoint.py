"""Loads complete checkpoints from folders, GGUF files and the hub, without running code that they contain."""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto import modeling_auto
from transformers.utils import logging

from dfo_prompt._util.logs import only_errors
from dfo_prompt.errors import ModelError, needs_extra

Head = Literal["causal", "masked", "seq2seq"]
# If a family has several heads, the first of these is the one that it was pretrained with.
HEADS: dict[Head, tuple[Any, Any]] = {
    "seq2seq": (modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, AutoModelForSeq2SeqLM),
    "masked": (modeling_auto.MODEL_FOR_MASKED_LM_MAPPING, AutoModelForMaskedLM),
    "causal": (modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING, AutoModelForCausalLM),
}
# With None, transformers would ask on standard input whether to run the checkpoint's code.
NO_REMOTE_CODE: dict[str, Any] = {"trust_remote_code": False}
LOADING: dict[str, Any] = {"dtype": torch.float32, "output_loading_info": True, "ignore_mismatched_sizes": True}
MAX_NAMED = 2
"""The largest number of weights that an error names."""


def read_checkpoint(where: str, **options: str) -> tuple[Head, PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a hub id or a folder, in float32.

    Raises:
        ModelError: it is not a language model, lacks weights, has weights of a larger model, or needs code of its own.
    """
    try:
        config = AutoConfig.from_pretrained(where, **NO_REMOTE_CODE)
        head = head_of(config)
        if head is None:
            raise ModelError(f"{where} is a {config.model_type} model, not a language model that transformers knows")
        model, info = HEADS[head][1].from_pretrained(where, **LOADING, **NO_REMOTE_CODE, **options)
        check_complete(model, info)
        return head, model, AutoTokenizer.from_pretrained(where, **NO_REMOTE_CODE)
    except ValueError as error:
        if "trust_remote_code" in str(error):
            raise ModelError(f"{where} needs Python code of its own, which is never run; choose another model") from error
        raise


def read_gguf(file: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a GGUF file, dequantised to float32; the model can be saved like any other.

    Raises:
        ModelError: the extra that reads such files is not installed, or the file cannot be read or lacks weights.
    """
    source: dict[str, Any] = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    try:
        with quiet():
            model, info = HEADS["causal"][1].from_pretrained(**source, **LOADING, **NO_REMOTE_CODE)
            check_complete(model, info)
            tokenizer = AutoTokenizer.from_pretrained(**source, **NO_REMOTE_CODE)
    except ImportError as error:
        raise ModelError(needs_extra("a GGUF file", "gguf")) from error
    except Exception as error:  # the reader raises many types for a damaged file
        raise ModelError(f"cannot read {file}: {first_line(error)}") from error
    # Otherwise transformers takes it for a quantised model and refuses to save it.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model, tokenizer


def check_complete(model: Any, info: Mapping[str, Any]) -> None:
    """Check that every weight comes from the checkpoint, because transformers initialises missing ones at random.

    Args:
        model: the loaded model.
        info: loading info of transformers, which does not count tied weights and unsaved buffers as missing.

    Raises:
        ModelError: weights are missing or have another shape, or the checkpoint has more layers than the configuration.
    """
    if missing := sorted(info["missing_keys"]):
        raise ModelError(f"the checkpoint has no weights for {_listed(missing)}")
    if sizes := sorted((name, tuple(there), tuple(here)) for name, there, here in info["mismatched_keys"]):
        name, there, here = sizes[0]
        raise ModelError(f"the checkpoint's {name} is {there}, where its configuration says {here}")
    # Unexpected weights of a pooler or another head do no harm; a further layer or expert means a larger model.
    prefix = f"{model.base_model_prefix}."  # a checkpoint of the body alone leaves it out
    known = {key for name in model.state_dict() for key in (_unnumbered(name), _unnumbered(name.removeprefix(prefix)))}
    if surplus := sorted(name for name in info["unexpected_keys"] if _unnumbered(name) in known):
        raise ModelError(f"the checkpoint has weights that its configuration has no place for: {_listed(surplus)}")


def first_line(error: BaseException) -> str:
    """Return the first non-empty line of an error's message; the name of its class if there is none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the progress bars, warnings and logs of transformers."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings(), only_errors("huggingface_hub"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def head_of(config: Any) -> Head | None:
    """Return the head of a model with this configuration; None if it is not a language model."""
    saved = {getattr(transformers, name, None) for name in config.architectures or ()} - {None}
    possible = [head for head, (mapping, _) in HEADS.items() if type(config) in mapping]
    matching = [head for head in possible if HEADS[head][0][type(config)] in saved]
    return next(iter(matching or possible), None)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def _unnumbered(name: str) -> str:
    """Return the name of a weight with 0 for each number, the same in all layers."""
    return re.sub(r"\d+", "0", name)
