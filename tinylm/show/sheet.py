"""A style sheet for one element of a page or a notebook, in light and dark; touches nothing else on the page."""

from tokenizer.show.style import DARK, LIGHT

__all__ = ["sheet"]


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items() if not name.startswith("t"))


def sheet(root: str, rules: str) -> str:
    """The rules with "&" standing for the class `root`, and the colours --paper, --ink, --faint, --line, --bar, --won.

    The system's wish for light or dark counts first; then what a notebook says of its own theme, which may differ.
    """
    light, dark = f"{_variables(LIGHT)}color-scheme:light", f"{_variables(DARK)}color-scheme:dark"
    themes = (
        f"&{{{light}}}@media(prefers-color-scheme:dark){{&{{{dark}}}}}"
        f"[data-jp-theme-light=true] &,body.vscode-light &{{{light}}}"
        f"[data-jp-theme-light=false] &,body.vscode-dark &,html[theme=dark] &{{{dark}}}"
    )
    inside = " ".join(rules.split()).replace("&", f".{root}" * 3)  # counts for more than a notebook's rules for tables
    return themes.replace("&", f".{root}") + inside
