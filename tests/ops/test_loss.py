"""Cross-entropy: reductions, ignored positions, smoothing, extremes, and what it refuses."""

import math

import numpy as np
import pytest

import tinylm.functional as F
from tinylm import tensor

from . import laws
from .ladder import evaluate
from .test_ladder import climb

LAWS = [
    laws.check_reductions_agree,
    laws.check_ignored_positions_count_nothing,
    laws.check_smoothing_mixes_with_the_uniform_target,
    laws.check_uniform_logits_lose_ln_v,
    laws.check_gradients_of_rows_sum_to_zero,
    laws.check_extremes_stay_finite,
]


@pytest.mark.parametrize("law", LAWS)
def test_cross_entropy_obeys(law, device):
    climb(law, "softmax_cross_entropy", device)


@pytest.mark.parametrize("sign", [1, -1])
def test_logits_of_ten_thousand_give_exact_losses(sign, device):
    logits = tensor(np.array([[sign * 1e4, 0.0]], np.float32), device=device)
    assert F.softmax_cross_entropy(logits, [0]).item() == (0.0 if sign > 0 else 1e4)


def test_one_class_is_no_surprise(device):
    loss, (dlogits, _) = evaluate(F.softmax_cross_entropy, (np.full((3, 1), 7.0), np.zeros(3, int)), device)
    assert loss == 0.0
    assert not dlogits.any()


@pytest.mark.parametrize("where", [(0,), (2, 0), (0, 3)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_no_positions_lose_nothing(where, reduction, device):
    arrays = np.zeros((*where, 4)), np.zeros(where, int)
    loss, (dlogits, _) = evaluate(lambda x, t: F.softmax_cross_entropy(x, t, reduction=reduction), arrays, device)
    assert loss.shape == (where if reduction == "none" else ())
    assert not loss.any()
    assert dlogits.shape == (*where, 4)


def test_everything_ignored_gives_0_and_no_gradient(device):
    arrays = np.ones((2, 3)), np.full(2, -100)
    loss, (dlogits, _) = evaluate(lambda x, t: F.softmax_cross_entropy(x, t, ignore_index=-100), arrays, device)
    assert loss == 0.0
    assert not dlogits.any()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int64"])
def test_targets_of_every_whole_type(dtype, device):
    targets = np.array([0, 2, 1], dtype)
    loss, _ = evaluate(
        lambda x, t: F.softmax_cross_entropy(x, t, ignore_index=-100), (np.zeros((3, 3)), targets), device
    )
    assert float(loss) == pytest.approx(math.log(3), rel=1e-15)


@pytest.mark.parametrize("targets", [[3], [-1], [-100]])
def test_targets_out_of_range_are_refused_on_every_device(targets, device):
    logits = tensor(np.zeros((1, 3)), device=device)
    with pytest.raises(ValueError, match=f"targets must be from 0 to 2, got {targets[0]}"):
        F.softmax_cross_entropy(logits, targets)
    with pytest.raises(ValueError, match=f"targets must be from 0 to 2, got {targets[0]}"):
        F.softmax_cross_entropy(logits, tensor(np.array(targets), device=device), ignore_index=-7)


def test_shapes_that_do_not_fit_and_unknown_reductions_are_refused(device):
    logits = tensor(np.zeros((2, 3)), device=device)
    with pytest.raises(
        ValueError, match=r"targets must have shape \(2,\), the logits' without the last axis; got \(3,\)"
    ):
        F.softmax_cross_entropy(logits, [0, 1, 2])
    with pytest.raises(ValueError, match='reduction is "mean", "sum" or "none", got \'max\''):
        F.softmax_cross_entropy(logits, [0, 1], reduction="max")
    with pytest.raises(TypeError, match="targets must be whole numbers"):
        F.softmax_cross_entropy(logits, [0.0, 1.0])


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), 2])
def test_smoothing_is_a_share(share, device):
    with pytest.raises(ValueError, match=f"label_smoothing is a share from 0 to 1, got {share}"):
        F.softmax_cross_entropy(tensor(np.zeros((1, 3)), device=device), [0], label_smoothing=share)
