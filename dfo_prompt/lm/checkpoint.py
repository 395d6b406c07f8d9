"""Reads complete language models from folders, GGUF files and the hub, without running their code."""

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
from dfo_prompt.errors import ModelError

Head = Literal["causal", "masked", "seq2seq"]
# Where a family could be several of them, the first is what it was pretrained as.
HEADS: dict[Head, tuple[Any, Any]] = {
    "seq2seq": (modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, AutoModelForSeq2SeqLM),
    "masked": (modeling_auto.MODEL_FOR_MASKED_LM_MAPPING, AutoModelForMaskedLM),
    "causal": (modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING, AutoModelForCausalLM),
}
# None would ask on standard input whether to run the code that a checkpoint brings along.
SAFELY: dict[str, Any] = {"trust_remote_code": False}
WHOLE: dict[str, Any] = {"dtype": torch.float32, "output_loading_info": True, "ignore_mismatched_sizes": True}
NAMED = 2
"""The most weights that an error names."""


def read_checkpoint(where: str, **options: str) -> tuple[Head, PreTrainedModel, PreTrainedTokenizerBase]:
    """Read a hub id or a folder, in float32.

    Raises:
        ModelError: it is no language model, lacks weights, has weights for a larger one, or needs code of its own.
    """
    try:
        config = AutoConfig.from_pretrained(where, **SAFELY)
        head = head_of(config)
        if head is None:
            raise ModelError(f"{where} is a {config.model_type} model, not a language model that transformers knows")
        model, found = HEADS[head][1].from_pretrained(where, **WHOLE, **SAFELY, **options)
        check_whole(model, found)
        return head, model, AutoTokenizer.from_pretrained(where, **SAFELY)
    except ValueError as error:
        if "trust_remote_code" in str(error):
            raise ModelError(f"{where} needs Python code of its own, which is never run; choose another model") from error
        raise


def read_gguf(file: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Read a GGUF file, dequantised to float32, so that it can be saved like any other model.

    Raises:
        ModelError: the extra that reads such files is not installed, or the file cannot be read, or lacks weights.
    """
    source: dict[str, Any] = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    try:
        with quiet():
            model, found = HEADS["causal"][1].from_pretrained(**source, **WHOLE, **SAFELY)
            check_whole(model, found)
            tokenizer = AutoTokenizer.from_pretrained(**source, **SAFELY)
    except ImportError as error:
        raise ModelError("reading GGUF files needs an extra: pip install 'dfo-prompt[gguf]'") from error
    except Exception as error:  # a damaged file fails in whatever way its reader does
        raise ModelError(f"cannot read {file}: {first_line(error)}") from error
    # transformers would otherwise refuse to save what it takes for a quantised model.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model, tokenizer


def check_whole(model: Any, found: Mapping[str, Any]) -> None:
    """Check that every weight of a model came from its checkpoint: transformers fills in random ones.

    Args:
        model: as loaded.
        found: transformers' loading info. Tied weights and buffers that need not be saved are not missing in it.

    Raises:
        ModelError: weights are missing or have another size, or the checkpoint has more layers than the configuration.
    """
    if missing := sorted(found["missing_keys"]):
        raise ModelError(f"the checkpoint has no weights for {_listed(missing)}")
    if sizes := sorted((name, tuple(there), tuple(here)) for name, there, here in found["mismatched_keys"]):
        name, there, here = sizes[0]
        raise ModelError(f"the checkpoint's {name} is {there}, where its configuration says {here}")
    # A pooler or another head is none of ours. One more of what the model has some of is: a layer, or an expert.
    ahead = f"{model.base_model_prefix}."  # which a checkpoint of the body alone leaves out
    kinds = {kind for name in model.state_dict() for kind in (_kind(name), _kind(name.removeprefix(ahead)))}
    if surplus := sorted(name for name in found["unexpected_keys"] if _kind(name) in kinds):
        raise ModelError(f"the checkpoint has weights that its configuration has no place for: {_listed(surplus)}")


def first_line(error: BaseException) -> str:
    """Return the first non-empty line of an error's message, or the error's class."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' progress bars and notes while loading."""
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
    """Return the kind of head of a model with this configuration; None if it is not a language model."""
    saved = {getattr(transformers, name, None) for name in config.architectures or ()} - {None}
    able = [head for head, (mapping, _) in HEADS.items() if type(config) in mapping]
    of_class = [head for head in able if HEADS[head][0][type(config)] in saved]
    return next(iter(of_class or able), None)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _kind(name: str) -> str:
    return re.sub(r"\d+", "0", name)
