"""Where arrays live: owners, the current device, errors that say what to type, scatter-add, moves."""

import re
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

import tinylm
from tinylm import DeviceError, tensor, use_device
from tinylm.backend import available, backend_named, backend_of, current_backend, scatter_add, to_host


def strict(data):
    return backend_named("strict").from_host(np.asarray(data))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_device_is_restored_after_an_exception(error):
    def fail():
        with use_device("strict"):
            assert current_backend().name == "strict"
            raise error

    with pytest.raises(error):
        fail()
    assert current_backend().name == "numpy"


def test_devices_nest_and_an_unknown_one_changes_nothing():
    with use_device("strict"):
        with use_device("numpy"):
            assert current_backend().name == "numpy"
        assert current_backend().name == "strict"
        with (
            pytest.raises(DeviceError, match="device 'tpu' is not known; expected one of numpy, cupy, strict"),
            use_device("tpu"),
        ):
            pytest.fail("an unknown device must not run the block")
        assert current_backend().name == "strict"


def test_threads_do_not_see_each_others_device():
    seen = []
    with use_device("strict"):
        thread = threading.Thread(target=lambda: seen.append(current_backend().name))
        thread.start()
        thread.join()
    assert seen == ["numpy"]


def test_the_environment_names_the_default_and_use_device_goes_before_it(monkeypatch):
    monkeypatch.setenv("TINYLM_DEVICE", "strict")
    assert tensor([1.0]).device == "strict"
    with use_device("numpy"):
        assert tensor([1.0]).device == "numpy"
    monkeypatch.setenv("TINYLM_DEVICE", "abacus")
    with pytest.raises(DeviceError, match="device 'abacus' is not known"):
        tensor([1.0])
    monkeypatch.setenv("TINYLM_DEVICE", "")
    assert tensor([1.0]).device == "numpy"


def test_a_whole_program_runs_on_the_device_of_the_environment():
    program = (
        "import tinylm; x = tinylm.tensor([1.0, 2.0], requires_grad=True); (x * x).sum().backward(); print(x.grad)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={"TINYLM_DEVICE": "strict", "PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "tensor([2., 4.], device='strict')\n"


def test_the_array_decides_and_not_the_current_device():
    x = tensor([1.0, 2.0])
    with use_device("strict"):
        assert (x * 2).device == "numpy"
        assert tensor([1.0]).device == "strict"
        assert tensor(x).device == "numpy"


def test_backend_of_takes_numbers_and_none_from_anybody():
    assert backend_of(np.ones(2), 2.0, None, True).name == "numpy"
    assert backend_of(1.0, strict([1.0]), None).name == "strict"
    assert backend_of(1.0, None) is current_backend()


def test_two_owners_in_one_operation_are_refused_with_what_to_type():
    with pytest.raises(DeviceError, match=r'on numpy and on strict in one operation; move one with .to\("numpy"\)'):
        backend_of(np.ones(2), strict([1.0]))
    with pytest.raises(DeviceError, match=r'multiply: a is on strict, b is on numpy; move one, as in x.to\("strict"\)'):
        tensor([1.0], device="strict") * tensor([1.0], device="numpy")


def test_an_unknown_device_is_refused_by_name():
    with pytest.raises(DeviceError, match="device 'gpu' is not known; expected one of numpy, cupy, strict"):
        backend_named("gpu")
    assert available("gpu") == "device 'gpu' is not known; expected one of numpy, cupy, strict"
    assert available("numpy") is None


def no_gpu():
    return False


def no_driver():
    raise OSError("no driver")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (None, r'cupy is not installed; .*pip install "tinylm\[cuda13\]"'),
        (SimpleNamespace(cuda=SimpleNamespace(is_available=no_gpu)), "finds no GPU that it can use"),
        (SimpleNamespace(cuda=SimpleNamespace(is_available=no_driver)), "its driver failed: no driver"),
    ],
)
def test_cupy_without_installation_device_or_driver_says_what_to_do(module, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr("tinylm.backend.device._loaded", {"numpy": backend_named("numpy")})
    assert re.search(message, available("cupy"))
    with pytest.raises(DeviceError, match=message), use_device("cupy"):
        pytest.fail("a device that cannot be used must not run the block")
    assert current_backend().name == "numpy"


def test_moves_copy_and_come_back_the_same():
    x = tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    there = x.to("strict")
    assert (there.device, there.requires_grad) == ("strict", True)
    assert (there.numpy() == x.numpy()).all()
    assert there.to("strict") is there
    assert (there.to("numpy").numpy() == x.numpy()).all()
    with pytest.raises(tinylm.GraphError, match="to\\(\\) moves leaves"):
        (x * 2).to("strict")


def test_host_arrays_are_not_copied_and_others_are():
    x = np.ones(3)
    assert to_host(x) is x
    y = strict([1.0, 2.0])
    host = to_host(y)
    host[0] = 9
    assert to_host(y).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "index", [[0, 0, 2], (np.array([0, 1, 0]), np.array([1, 1, 1])), slice(0, 2), [True, False, True]]
)
def test_scatter_add_adds_up_repeats(index, device):
    backend = backend_named(device)
    target = np.zeros((3, 2))
    rows = np.ones_like(target[index])
    expected = target.copy()
    for place in np.arange(6).reshape(3, 2)[index].reshape(-1):
        expected.reshape(-1)[place] += 1
    moved = tuple(backend.from_host(part) for part in index) if isinstance(index, tuple) else index
    there = backend.from_host(target)
    scatter_add(there, moved, backend.from_host(rows))
    assert (to_host(there) == expected).all()


def test_every_backend_has_the_verbs(device):
    backend = backend_named(device)
    array = backend.from_host(np.ones(2))
    assert type(array) is backend.array_type
    assert backend_of(array) is backend
    assert backend.synchronize() is None
    assert repr(backend) == f"Backend('{device}')"
    assert backend.to_host(backend.xp.ones(2) + array).tolist() == [2.0, 2.0]


def test_a_subclass_of_an_array_belongs_to_its_owner():
    class Special(np.ndarray):
        pass

    assert backend_of(np.ones(2).view(Special)).name == "numpy"
