"""Tensor files survive kills, and hold the same bytes for the same content."""

import errno
import json

import numpy as np
import pytest
from disks import Disk, Killed
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from dfo_prompt._util import durable
from dfo_prompt._util.tensor_files import write_tensors
from dfo_prompt.errors import StudyError

TENSORS = {"projection": np.arange(6.0).reshape(3, 2), "start": np.ones(3)}
ENTRIES = {name: f"of {name}" for name in ("sources", "model", "task", "ä")}


def test_the_same_content_has_the_same_bytes(tmp_path):
    files = [tmp_path / f"{i}.safetensors" for i in range(8)]
    for file in files:
        write_tensors(file, TENSORS, ENTRIES)
    assert len({file.read_bytes() for file in files}) == 1
    assert load_file(files[0])["projection"].tolist() == TENSORS["projection"].tolist()
    with safe_open(files[0], framework="numpy") as file:
        assert file.metadata() == ENTRIES


def test_a_file_of_another_order_is_kept_and_one_of_other_content_is_not(tmp_path):
    file = tmp_path / "p.safetensors"
    for entries in (ENTRIES, dict(reversed(ENTRIES.items()))):
        data = {name: value.astype(np.float32) for name, value in TENSORS.items()}
        save_file(data, file, entries)
        before = file.read_bytes()
        size = 8 + int.from_bytes(before[:8], "little")
        header = json.loads(before[8:size])
        header["__metadata__"] = dict(sorted(header["__metadata__"].items(), reverse=True))
        shuffled = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        file.write_bytes(len(shuffled).to_bytes(8, "little") + shuffled + before[size:])
        before = file.read_bytes()
        write_tensors(file, TENSORS, entries)
        assert file.read_bytes() == before
    write_tensors(file, {**TENSORS, "start": np.zeros(3)}, ENTRIES)
    assert load_file(file)["start"].tolist() == [0, 0, 0]
    file.write_bytes(b"torn")
    write_tensors(file, TENSORS, ENTRIES)
    assert load_file(file)["start"].tolist() == [1, 1, 1]


def test_a_kill_leaves_the_old_or_the_new_file_and_nothing_beside_it(tmp_path, monkeypatch):
    file, disk = tmp_path / "p.safetensors", Disk()
    write_tensors(file, TENSORS, ENTRIES)
    old, new = file.read_bytes(), {**TENSORS, "start": np.zeros(3)}
    monkeypatch.setattr(durable, "os", disk)
    write_tensors(tmp_path / "count.safetensors", new, ENTRIES)
    whole = (tmp_path / "count.safetensors").read_bytes()
    (tmp_path / "count.safetensors").unlink()
    assert disk.steps
    for step in range(1, disk.steps + 1):
        file.write_bytes(old)
        monkeypatch.setattr(durable, "os", Disk(step))
        with pytest.raises(Killed):
            write_tensors(file, new, ENTRIES)
        assert file.read_bytes() in (old, whole)
        monkeypatch.setattr(durable, "os", Disk())
        write_tensors(file, new, ENTRIES)
        assert file.read_bytes() == whole
        assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_full_disk_is_one_line_with_advice(tmp_path, monkeypatch):
    class Full(Disk):
        def fsync(self, file):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable, "os", Full())
    with pytest.raises(StudyError, match=r"cannot write .*p\.safetensors: No space left on device; make room and run"):
        write_tensors(tmp_path / "p.safetensors", TENSORS, ENTRIES)
