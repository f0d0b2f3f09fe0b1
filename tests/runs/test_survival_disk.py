"""A full disk: the checkpoint before stays whole, nothing is left beside it, and one message says how to go on."""

import builtins
import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinylm.runs
import tokenizer.formats
from tinylm.cli import main
from tokenizer.formats import write_atomically

from .dying import FLAGS, TEXT

ROOT = Path(__file__).resolve().parents[2]
FINAL = ("model.safetensors", "training.safetensors")


class Full:
    """A disk that takes so many bytes more, and then says that it is full, in the middle of a write."""

    def __init__(self, room: int, number: int = errno.ENOSPC):
        self.room, self.number = room, number

    def open(self, path, mode="r", *args, **kwargs):
        file = builtins.open(path, mode, *args, **kwargs)  # noqa: SIM115  (its caller closes it)
        return Writing(file, self) if set(mode) & set("wxa") else file


class Writing:
    """A file on such a disk."""

    def __init__(self, file, disk: Full):
        self.file, self.disk = file, disk

    def write(self, data):
        taken = min(len(data), self.disk.room)
        self.disk.room -= taken
        self.file.write(data[:taken])
        if taken < len(data):
            raise OSError(self.disk.number, os.strerror(self.disk.number))
        return taken

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()


def filled(monkeypatch, disk: Full) -> None:
    for module in (tokenizer.formats, tinylm.runs):
        monkeypatch.setattr(module, "open", disk.open, raising=False)


def bytes_of(run: Path) -> list[bytes]:
    return [(run / name).read_bytes() for name in FINAL]


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    """A run that nothing stood in the way of, beside its text."""
    folder = tmp_path_factory.mktemp("straight")
    (folder / "text.txt").write_text(TEXT)
    assert main(["train", str(folder / "text.txt"), "--out", str(folder / "run"), *FLAGS]) == 0
    return folder / "run"


# -- one file --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", range(41))
def test_a_file_of_forty_bytes_is_replaced_whole_or_not_at_all(room, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"old")
    filled(monkeypatch, Full(room))
    if room < 40:
        with pytest.raises(OSError, match="No space left") as caught:
            write_atomically(file, b"n" * 40)
        assert caught.value.filename == str(file)
        assert caught.value.errno == errno.ENOSPC
    else:
        write_atomically(file, b"n" * 40)
    assert file.read_bytes() == (b"old" if room < 40 else b"n" * 40)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_late_leaves_the_old_file(call, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def broken(*args):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, call, broken)
    with pytest.raises(OSError, match="Input/output") as caught:
        write_atomically(file, b"new")
    assert caught.value.filename == str(file)
    assert file.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="this system does not let a folder be opened")
def test_the_bytes_are_on_the_disk_before_the_name_is_and_the_name_before_the_write_ends(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else os.fstat(descriptor).st_size)
        fsync(descriptor)

    def noted_replace(source, target) -> None:
        done.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_atomically(tmp_path / "file", b"n" * 40)
    assert done == [40, "name", "folder"]


# -- a run -----------------------------------------------------------------------------------------------


def written_by(command: list[str], monkeypatch) -> int:
    """How many bytes a command writes."""
    disk = Full(1 << 40)
    with monkeypatch.context() as patch:
        filled(patch, disk)
        assert main(command) == 0
    return (1 << 40) - disk.room


def test_a_disk_that_fills_up_at_any_byte_of_a_run_loses_nothing(straight, tmp_path, monkeypatch, capsys):
    text, run = straight.parent / "text.txt", tmp_path / "run"
    command = ["train", str(text), "--out", str(run), *FLAGS]
    whole = written_by(command, monkeypatch)
    assert bytes_of(run) == bytes_of(straight)
    seen = set()
    for part in range(10):
        shutil.rmtree(run)
        capsys.readouterr()
        with monkeypatch.context() as patch:
            filled(patch, Full(whole * part // 10 + part))
            assert main(command) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert said.startswith("tinylm: error: ")
        assert "No space left on device; the disk " in said
        assert str(tmp_path) in said
        assert [p.name for p in tmp_path.iterdir()] == (["run"] if run.exists() else [])
        assert not list(run.glob(".*"))
        seen.add(run.exists())
        if run.exists():
            assert f"go on with: tinylm train --resume {run}" in said
            saved = int(said.partition("holds all up to step ")[2].split(";")[0])
            assert tinylm.runs.Run.resume(run).step == saved
            assert main(["train", "--resume", str(run)]) == 0
        else:
            assert main(command) == 0
        assert bytes_of(run) == bytes_of(straight)
    assert seen == {True, False}


def test_a_disk_that_is_still_full_when_a_run_goes_on_changes_nothing(straight, tmp_path, monkeypatch, capsys):
    text, run = straight.parent / "text.txt", tmp_path / "run"
    flags = [*FLAGS, "--steps", "2"]
    assert main(["train", str(text), "--out", str(run), *flags]) == 0
    for room in (0, 100, 2000, 5000):
        before = (run / "training.safetensors").read_bytes()
        with monkeypatch.context() as patch:
            filled(patch, Full(room))
            assert main(["train", "--resume", str(run), "--steps", "4"]) == 2
        assert (run / "training.safetensors").read_bytes() == before
        tinylm.load(run)


# -- real disks ------------------------------------------------------------------------------------------


def command(*arguments: str, **settings) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "tinylm", *arguments]
    return subprocess.run(program, env=environment, text=True, timeout=240, **settings)


def test_a_limit_on_the_size_of_files_is_told_like_a_full_disk(straight, tmp_path):
    resource = pytest.importorskip("resource", reason="this system has no limits on processes")
    run = tmp_path / "run"
    shutil.copytree(straight, run)
    before = bytes_of(run)
    limit = (run / "training.safetensors").stat().st_size - 1000
    arguments = ["train", "--resume", str(run), "--steps", "5"]

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = command(*arguments, capture_output=True, preexec_fn=limited)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "training.safetensors: File too large" in done.stderr
    assert (
        "holds all up to step 3; make room, or put right what is wrong there, and go on with: tinylm train "
        in done.stderr
    )
    assert bytes_of(run) == before
    assert not list(run.glob(".*"))
    assert command(*arguments, capture_output=True).returncode == 0
    assert tinylm.runs.Run.resume(run).step == 5


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["1", ""])  # "": Python writes what it holds when it ends, if not before
def test_an_output_that_takes_nothing_is_told_without_a_traceback(unbuffered, straight, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    run = tmp_path / "run"
    shutil.copytree(straight, run)
    with open("/dev/full", "w") as full:
        done = command("train", "--resume", str(run), "--steps", "5", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "No space left on device" in done.stderr
    assert command("train", "--resume", str(run), "--steps", "5", capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of two megabytes of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("there is no `mount` here")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a file system may not be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_of_two_megabytes_that_fills_up_keeps_the_run(small_disk, straight):
    run = small_disk / "run"
    shutil.copytree(straight, run)
    free = shutil.disk_usage(small_disk).free
    page = 4096
    (small_disk / "filler").write_bytes(bytes(free - 3 * page))  # less than a checkpoint takes
    before = bytes_of(run)
    done = command("train", "--resume", str(run), "--steps", "6", capture_output=True)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert f"No space left on device; the disk {small_disk} has " in done.stderr
    assert "MB free of 2.1 MB" in done.stderr
    assert "holds all up to step 3; make room" in done.stderr
    assert bytes_of(run) == before
    assert not list(run.glob(".*"))
    tinylm.load(run)
    (small_disk / "filler").unlink()
    assert command("train", "--resume", str(run), capture_output=True).returncode == 0
    new = small_disk / "new"  # a run that finds no room at all
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    done = command("train", str(straight.parent / "text.txt"), "--out", str(new), *FLAGS, capture_output=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in small_disk.iterdir()) == ["filler", "run"]
