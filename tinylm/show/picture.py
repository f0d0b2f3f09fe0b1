"""One way out for all pictures: into a notebook, into a page, into a file; knows nothing of what is drawn."""

import html
import io
import os
import re
from pathlib import Path
from typing import Any

from tinylm.show.style import styled
from tokenizer.formats import write_atomically

__all__ = ["Picture"]


class Picture:
    """A finished picture, which shows itself in a notebook.

    drawn    a matplotlib figure, or the text of an SVG or of a piece of HTML
    alt      what it shows, in a sentence, for who cannot see it

    >>> Picture("<svg></svg>", "nothing")
    <Picture: nothing>
    """

    def __init__(self, drawn: Any, alt: str):
        self.drawn, self.alt = drawn, alt

    @property
    def kind(self) -> str:
        """ "figure", "svg" or "html"."""
        if not isinstance(self.drawn, str):
            return "figure"
        return "svg" if self.drawn.lstrip().startswith("<svg") else "html"

    @property
    def figure(self) -> Any:
        """The matplotlib figure, to go on with; raises TypeError for a picture that has none."""
        if self.kind != "figure":
            raise TypeError(
                f"this picture is {self.kind.upper()}, drawn without matplotlib; take .html() or .save(path)"
            )
        return self.drawn

    def svg(self) -> str:
        """The picture as one <svg> element; raises TypeError where it is HTML."""
        if self.kind == "html":
            raise TypeError("this picture is HTML; take .html() or .save('name.html')")
        label = f'aria-label="{html.escape(self.alt)}"'
        if self.kind == "svg":
            return re.sub(r'aria-label="[^"]*"', lambda _: label, str(self.drawn), count=1)
        file = io.BytesIO()
        with styled():
            self.drawn.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        text = file.getvalue().decode()
        named = f'<svg role="img" {label} style="max-width:100%;height:auto" '
        return re.sub(
            r"\A.*?<svg ", lambda _: named, text, count=1, flags=re.DOTALL
        )  # no prolog: it may go into a page

    def html(self) -> str:
        """The picture as a piece of a page."""
        return str(self.drawn) if self.kind == "html" else self.svg()

    def save(self, path: str | os.PathLike[str], *, dpi: int = 150) -> None:
        """Write it, all or nothing, in the form that the name ends in: .svg, .png (of `dpi` dots an inch) or .html.

        Raises ValueError for any other name, and for one that this picture has no form for.
        """
        form = Path(path).suffix.lower()
        possible = {"figure": (".svg", ".png", ".html"), "svg": (".svg", ".html"), "html": (".html",)}[self.kind]
        if form not in possible:
            raise ValueError(f"{path}: this picture can be saved as {' or '.join(possible)}; name the file so")
        write_atomically(path, self._png(dpi) if form == ".png" else self._text(form).encode("utf-8", "replace"))

    def _png(self, dpi: int) -> bytes:
        file = io.BytesIO()
        with styled():
            self.drawn.savefig(file, format="png", dpi=dpi, metadata={"Software": None})
        return file.getvalue()

    def _text(self, form: str) -> str:
        if form == ".svg":
            return self.svg() + "\n"
        title = html.escape(self.alt)
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
        return f"<!DOCTYPE html>\n<html lang=en>{head}<style>svg{{max-width:100%;height:auto}}</style>\n{self.html()}\n"

    def _repr_svg_(self) -> str | None:
        return None if self.kind == "html" else self.svg()

    def _repr_html_(self) -> str | None:
        return self.html() if self.kind == "html" else None

    def __repr__(self) -> str:
        return f"<Picture: {self.alt}>"
