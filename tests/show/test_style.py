"""Colours that can be read and told apart, by the formulas of the standards and not by those of the code."""

import itertools

import numpy as np
import pytest

from tinylm.show import style
from tokenizer.show.style import LIGHT

LEGIBLE = 4.5  # WCAG 2.2, 1.4.3: text
SEEN = 3.0  # WCAG 2.2, 1.4.11: lines and bars
APART = 10.0  # CIE 1976 ΔE; 2.3 is a just noticeable difference (Mahy et al. 1994), 10 is seen at a glance

# Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB
SIGHTS = {
    "usual": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = TO_XYZ @ np.ones(3)


def linear(colour):
    values = np.array(list(bytes.fromhex(colour.lstrip("#")))) / 255
    return np.where(values <= 0.04045, values / 12.92, np.power((values + 0.055) / 1.055, 2.4))


def contrast(one, other):
    """WCAG 2.2."""
    a, b = (float(TO_XYZ[1] @ linear(colour)) + 0.05 for colour in (one, other))
    return max(a, b) / min(a, b)


def lab(colour, sight):
    """CIE 1976 L*a*b* of what somebody of this sight sees."""
    xyz = TO_XYZ @ np.clip(np.asarray(SIGHTS[sight]) @ linear(colour), 0, 1) / WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(one, other, sight):
    return float(np.linalg.norm(lab(one, sight) - lab(other, sight)))


SHADES = [style.shade(n / 100, stops) for stops in (style.SEQUENTIAL, style.DIVERGING) for n in range(101)]


@pytest.mark.parametrize(("text", "ground"), style.READ_ON)
def test_every_text_is_legible_on_its_ground(text, ground):
    assert contrast(text, ground) >= LEGIBLE


@pytest.mark.parametrize("ground", [*SHADES, *style.COLOURS, style.SKY, style.YELLOW])
def test_a_number_in_a_cell_is_legible_on_every_shade(ground):
    assert contrast(style.ink_on(ground), ground) >= LEGIBLE


@pytest.mark.parametrize("colour", style.COLOURS)
def test_lines_and_bars_are_seen_on_the_ground(colour):
    assert (
        contrast(colour, LIGHT["paper"]) >= SEEN - 0.1
    )  # Okabe & Ito's purple has 2.98, and markers and dashes beside it


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_four_colours_are_told_apart_by_every_sight(sight):
    for one, other in itertools.combinations(style.COLOURS, 2):
        assert difference(one, other, sight) > APART, (one, other)


@pytest.mark.parametrize("sight", SIGHTS)
def test_below_and_above_zero_are_told_apart_by_every_sight(sight):
    for share in (0.0, 0.1, 0.2, 0.3, 0.4):
        below, above = style.shade(share, style.DIVERGING), style.shade(1 - share, style.DIVERGING)
        assert difference(below, above, sight) > APART


@pytest.mark.parametrize("sight", SIGHTS)
def test_nan_looks_like_no_number(sight):
    assert min(difference(style.NAN, shade, sight) for shade in SHADES) > APART


@pytest.mark.parametrize("sight", SIGHTS)
def test_more_is_darker(sight):
    for stops in (style.SEQUENTIAL, style.DIVERGING[3:], style.DIVERGING[3::-1]):
        lightness = [lab(style.shade(n / 50, stops), sight)[0] for n in range(51)]
        assert all(later < earlier for earlier, later in itertools.pairwise(lightness))


def test_the_project_s_own_contrast_is_the_standard_s():
    for one, other in itertools.combinations(
        ["#ffffff", "#000000", "#767676", "#0a0a0a", "#000a05", "#0072b2", "#d55e00"], 2
    ):
        assert style.contrast(one, other) == pytest.approx(contrast(one, other), rel=1e-3)  # Y's weights, to 4 digits


def test_a_share_between_two_stops_is_mixed_in_proportion():
    assert style.shade(0.25, ("#000000", "#640000", "#ff0000")) == "#320000"
    assert style.shade(-3.0) == style.SEQUENTIAL[0]
    assert style.shade(7.0) == style.SEQUENTIAL[-1]
