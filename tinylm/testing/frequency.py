"""Whether draws come from the probabilities that they claim: a test that may be looked at after every draw."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["FrequencyTest"]


class FrequencyTest:
    """A sequential test of "every draw has the probabilities p, whatever came before".

        E(t) = Π  q(x; what came before) / p(x)        q(i) = (count of i + c · p(i)) / (t + c)

    Somebody bets on every next draw at the odds of p, with what was seen so far as forecast. While the claim is true,
    nobody's fortune E grows on average, so by Ville's inequality it reaches 1/α ever, however long and however often
    one looks, with a probability of at most α: the rate of false alarms. Where the draws come from other
    probabilities r, ln E grows by the divergence KL(r‖p) a draw, less about V/2 · ln t in all. A draw that p excludes
    refutes it at once. That draws do not depend on each other is taken as given, not tested: 0, 1, 0, 1, ... passes as
    a fair coin, since only how often each id came counts.

    p             (V,) probabilities, not negative, summing to 1 within 1e-6
    false_alarm   α

    Ville 1939; Robbins 1970; Grünwald, de Heide & Koolen 2024. Raises ValueError for what is no distribution.

    >>> test = FrequencyTest([0.5, 0.5])
    >>> test.see([0] * 40).refuted
    True
    """

    def __init__(self, p: Any, false_alarm: float = 1e-6) -> None:
        self.p = np.asarray(p, np.float64)
        if self.p.ndim != 1 or not (self.p >= 0).all() or abs(self.p.sum() - 1) > 1e-6:
            raise ValueError("p must be one row of probabilities that sum to 1")
        if not 0 < false_alarm < 1:
            raise ValueError(f"false_alarm must lie between 0 and 1, got {false_alarm}")
        self.p = self.p / self.p.sum()
        self.false_alarm = false_alarm
        self.counts = np.zeros(len(self.p), np.int64)
        self.log_evidence = self.greatest = 0.0  # ln E now, and at its greatest
        self._prior = max(len(self.p) / 2, 1.0)  # c: half a draw for each id, as Krichevsky and Trofimov have it
        self._drawn = 0

    @property
    def draws(self) -> int:
        """How many draws were seen."""
        return self._drawn

    @property
    def refuted(self) -> bool:
        """Whether E has ever reached 1/α: then the draws do not come from p, up to the rate of false alarms."""
        return self.greatest >= -math.log(self.false_alarm)

    def see(self, draws: Iterable[int]) -> "FrequencyTest":
        """Take further draws into account; returns itself. Raises ValueError for what is no id of p."""
        for draw in draws:
            i = int(draw)
            if i != draw:
                raise ValueError(f"the draw {draw!r} is no id: ids are whole numbers")
            if not 0 <= i < len(self.p):
                raise ValueError(f"the draw {i} is outside of 0 … {len(self.p) - 1}")
            if self.p[i] == 0:
                self.log_evidence = self.greatest = math.inf
            else:
                forecast = (self.counts[i] + self._prior * self.p[i]) / (self._drawn + self._prior)
                self.log_evidence += math.log(forecast / self.p[i])
                self.greatest = max(self.greatest, self.log_evidence)
            self.counts[i] += 1
            self._drawn += 1
        return self

    def __repr__(self) -> str:
        word = "refuted" if self.refuted else "not refuted"
        return (
            f"<FrequencyTest: {word} after {self.draws} draws, evidence e^{self.greatest:.1f} of "
            f"e^{-math.log(self.false_alarm):.1f}, seen {self.counts.tolist()}>"
        )
