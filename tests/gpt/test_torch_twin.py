"""Same as PyTorch, in float64: logits, every gradient and the weights after 50 steps, to 1e-9 relative.

Live where torch is installed (pytest -m torch), and against the numbers that it left in torch_twin.npz
elsewhere. A difference is relative to the largest element of its array: single elements may be 0 but for
rounding, as the gradient of the bias of keys is.
"""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from tests.gpt.twin import FILE, SETTINGS, STEPS, Recipe, largest_difference, recorded, tinylm_run

# The issue asks for 1e-9. Both runs round differently, by 2⁻⁵³ in sums of some hundred terms: after 50 steps
# about 1e-14. Only the bias of keys, whose gradient is 0 but for that rounding g ≈ 1e-17, moves by lr · g / eps,
# to about 4e-11. Each of the seeded faults below makes 1e-6 at least.
TOLERANCE = 1e-9

every_setting = pytest.mark.parametrize("setting", SETTINGS)


@every_setting
def test_tinylm_gives_the_recorded_numbers_of_pytorch(setting) -> None:
    difference, name = largest_difference(tinylm_run(setting, Recipe()), recorded(setting))
    assert difference < TOLERANCE, f"{name} differs by {difference:.1e}"


@every_setting
def test_a_seed_gives_the_recorded_initial_weights(setting) -> None:
    found, expected = tinylm_run(setting, Recipe()), recorded(setting)
    names = [name for name in expected if name.startswith("initial/")]
    assert len(names) > 10
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-12, err_msg=name)


@every_setting
def test_clipping_is_active_on_some_steps_and_not_on_others(setting) -> None:
    clipped = recorded(setting)["norms"] > Recipe().max_norm
    assert 5 <= clipped.sum() <= STEPS - 5


@every_setting
def test_the_run_learns(setting) -> None:
    losses = recorded(setting)["losses"]
    assert losses[-5:].mean() < losses[:5].mean() - 0.5


FAULTS = {
    "another beta": {"betas": (0.9, 0.950001)},
    "another first beta": {"betas": (0.900001, 0.95)},
    "another eps": {"eps": 1.1e-8},
    "a little less decay": {"decay": 0.099999},
    "no clipping": {"max_norm": 1e9},
    "clipping at another norm": {"max_norm": 1.00001},
    "one warm-up step fewer": {"warmup": 4},
    "another peak": {"max_lr": 0.0200001},
    "another norm eps": {"model": {"norm_eps": 1.01e-5}},
    "another activation": {"model": {"mlp": "gelu_tanh"}},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_tolerance_finds_a_small_change_of_the_recipe(fault) -> None:
    wrong = tinylm_run("gpt2", replace(Recipe(), **FAULTS[fault]))
    difference, _ = largest_difference(wrong, recorded("gpt2"))
    assert difference > 10 * TOLERANCE


def test_the_file_is_small_and_holds_doubles_only() -> None:
    assert FILE.stat().st_size < 200_000
    assert {array.dtype for setting in SETTINGS for array in recorded(setting).values()} == {np.dtype(np.float64)}


@pytest.mark.torch
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@every_setting
def test_tinylm_and_pytorch_agree_live(setting) -> None:
    from tests.gpt.torch_twin import torch_run

    twin = torch_run(setting, Recipe())
    difference, name = largest_difference(tinylm_run(setting, Recipe()), twin)
    assert difference < TOLERANCE, f"{name} differs by {difference:.1e}"
    difference, name = largest_difference(recorded(setting), twin)
    assert difference < TOLERANCE, f"recorded {name} differs by {difference:.1e}: run make_torch_twin.py"
