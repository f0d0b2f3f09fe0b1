"""How results look in a notebook: one panel, legible in light and dark; returns strings."""

__all__ = ["panel"]

# Okabe & Ito 2008: bluish green, vermilion, blue; the mark says the same for whom colours do not
KINDS = {"right": ("✓", "#009E73"), "wrong": ("✗", "#D55E00"), "open": ("…", "#0072B2")}


def panel(kind: str, headline: str, inside: str = "") -> str:
    """An element with a headline, a mark and a coloured edge; the arguments are HTML already."""
    mark, colour = KINDS[kind]
    style = (
        "<style>.tinylm-course table{border-collapse:collapse;margin:.4em 0 0}"
        ".tinylm-course th,.tinylm-course td{text-align:left;vertical-align:top;padding:.1em .8em .1em 0;"
        "background:none;border:0;font-weight:normal}"
        ".tinylm-course th{opacity:.75;white-space:nowrap}"
        ".tinylm-course td>*{white-space:pre-wrap;overflow-wrap:anywhere;background:none;color:inherit}</style>"
    )
    return (
        f'<div class="tinylm-course" role="status" style="border-left:.3em solid {colour};padding:.3em .8em;'
        f'margin:.3em 0">{style}<b><span aria-hidden="true">{mark} </span>{headline}</b>{inside}</div>'
    )
