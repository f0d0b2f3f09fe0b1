"""One HTML file in which a person steps through a model; made by `tinylm explore`."""

from tinylm.explore.contents import Text, gather
from tinylm.explore.document import page

__all__ = ["Text", "gather", "page"]
