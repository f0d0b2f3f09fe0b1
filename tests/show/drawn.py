"""How the tests read a matplotlib figure: its texts, ticks and hatched cells."""

import numpy as np


def maps(picture):
    """The axes that hold a grid of cells, in the order they were made."""
    return [axes for axes in picture.figure.axes if axes.images]


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def cell_texts(axes):
    """What is written in each cell: (row, column) → text."""
    return {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts}


def hatched(axes, shape):
    """Which cells lie under a hatched polygon, found by asking for each cell's middle."""
    found = np.zeros(shape, dtype=bool)
    for collection in axes.collections:
        if collection.get_hatch():
            for path in collection.get_paths():
                for row, column in np.ndindex(*shape):
                    found[row, column] |= path.contains_point((column, row))
    return found


def everything(picture):
    """Every text of the figure that is not empty."""
    from matplotlib.text import Text

    return [text.get_text() for text in picture.figure.findobj(Text) if text.get_text()]
