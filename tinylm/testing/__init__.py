"""Strategies that draw what a language model is made of, and laws that it must obey; needs Hypothesis.

pip install 'tinylm[course]'
"""

from tinylm.testing.arrays import arrays, numbers, shapes

__all__ = ["arrays", "numbers", "shapes"]
