"""What the pages of a class have in common: one file each, no network, light and dark, desk and telephone."""

from html import escape

from tinylm.course.verdict import Verdict
from tokenizer.show.style import DARK, LIGHT

__all__ = ["MARKS", "mark", "paper"]

# status → mark, what it means, and the colour of its ground in light and in dark; the mark says it without colours
MARKS = {
    "right": ("✓", "right", "#c9ebe0", "#0b4a3a"),
    "slow": ("~", "right, but too much work", "#d6ecf8", "#173f56"),
    "wrong": ("✗", "wrong", "#f9d9c4", "#6b3208"),
    "stopped": ("∞", "stopped: over a limit, or it left its process", "#f6e3b4", "#57430a"),
    "broken": ("!", "the file cannot be run", "#f0d3e4", "#5c2547"),
    "refused": ("=", "it uses the library's own answer", "#ded9f3", "#3b3670"),
    "unwritten": ("…", "not written yet", "#eceff2", "#2a3037"),
    "missing": ("–", "not handed in, or not graded", "transparent", "transparent"),
}

_RULES = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.2rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.2;margin:.4rem 0;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2rem 0 .4rem;overflow-wrap:anywhere}
p{margin:.4rem 0;max-width:42rem}
a{color:inherit;text-underline-offset:.15em}
a:focus-visible{outline:3px solid var(--won);outline-offset:1px}
code,pre,.mono{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.94em}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.3rem 0}
.faint{color:var(--faint)}
.mark{display:inline-block;min-width:1.5em;text-align:center;font-weight:700;border-radius:3px;color:var(--ink)}
table{border-collapse:collapse}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0}
th{font-weight:600}
@media print{body{font-size:11px}a{text-decoration:none}}
"""


def _variables(colours: dict[str, str], which: int) -> str:
    marks = "".join(f"--{status}:{about[which]};" for status, about in MARKS.items())
    kept = ("paper", "ink", "faint", "line", "bar", "won")
    return "".join(f"--{name}:{colours[name]};" for name in kept) + marks


def paper(title: str, body: str, rules: str = "") -> str:
    """A whole page; the title is text, the body HTML."""
    light, dark = _variables(LIGHT, 2) + "color-scheme:light", _variables(DARK, 3) + "color-scheme:dark"
    grounds = "".join(f".{status}{{background:var(--{status})}}" for status in MARKS)
    sheet = f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}{_RULES}{grounds}{rules}"
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{' '.join(sheet.split())}</style>\n<main>\n{body}\n</main>\n</html>\n"
    )


def mark(verdict: Verdict) -> str:
    """A verdict as one character on its ground."""
    sign, says, *_ = MARKS[verdict.status]
    return f'<span class="mark {verdict.status}" role="img" aria-label="{escape(says)}">{sign}</span>'
