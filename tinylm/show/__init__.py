"""Floor 5: tokens, numbers and arrays as pictures and text; knows no model, no trace and no run, prints nothing.

Each picture is a function that returns a Picture, which shows itself in a notebook and saves itself. Those of tokens
and of loss curves are HTML and SVG; the others are matplotlib figures: pip install 'tinylm[show]'.
"""

from tinylm.show.attending import attention
from tinylm.show.coloured import tokens
from tinylm.show.curves import line_chart, loss_curve
from tinylm.show.funnel import sampling_funnel
from tinylm.show.grids import histogram, matrix
from tinylm.show.layers import distributions, measures, statistics, update_ratios
from tinylm.show.lens import logit_lens
from tinylm.show.picture import Picture
from tinylm.show.space import embeddings, position_similarity

__all__ = [
    "Picture",
    "attention",
    "distributions",
    "embeddings",
    "histogram",
    "line_chart",
    "logit_lens",
    "loss_curve",
    "matrix",
    "measures",
    "position_similarity",
    "sampling_funnel",
    "statistics",
    "tokens",
    "update_ratios",
]
