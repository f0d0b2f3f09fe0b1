"""The colours of the HTML, for light and for dark grounds, and its style sheet; knows nothing of tokens.

Every text has its ground set beside it, so that a page or a notebook of any colour leaves it legible; each
pair in READ_ON has a contrast of 4.5 or more (WCAG 2.2, 1.4.3), and a test computes it.
"""

ROOT = "tinylm-tokens"  # every rule of the sheet begins with this class: nothing else on the page is touched
GROUNDS = 5  # token grounds, taken in turn

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1f2328",
    "faint": "#59636e",
    "line": "#818b98",
    "t0": "#ffd9d9",
    "t1": "#fdf3b0",
    "t2": "#d5f5d5",
    "t3": "#d0f0f7",
    "t4": "#e0dcff",
    "special": "#4b2a85",
    "special-ink": "#ffffff",
    "bar": "#9aa4b0",
    "won": "#0072b2",
}
DARK = {
    "paper": "#15191e",
    "ink": "#e8eaed",
    "faint": "#a5afba",
    "line": "#7d8794",
    "t0": "#5c2b31",
    "t1": "#4d4210",
    "t2": "#1f4a2a",
    "t3": "#14454f",
    "t4": "#3b3670",
    "special": "#d9c7ff",
    "special-ink": "#1b1030",
    "bar": "#6d7784",
    "won": "#56b4e9",
}
READ_ON = [  # (text, ground)
    *(("ink", ground) for ground in ("paper", "t0", "t1", "t2", "t3", "t4")),
    *(("faint", ground) for ground in ("paper",)),
    ("special-ink", "special"),
]


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


# The system's wish first; then what a notebook (Jupyter, VS Code, Colab) says of its own theme, which may differ.
_THEMES = (
    f".{ROOT}{{{_variables(LIGHT)}color-scheme:light}}"
    f"@media(prefers-color-scheme:dark){{.{ROOT}{{{_variables(DARK)}color-scheme:dark}}}}"
    f"[data-jp-theme-light=true] .{ROOT},body.vscode-light .{ROOT}{{{_variables(LIGHT)}color-scheme:light}}"
    f"[data-jp-theme-light=false] .{ROOT},body.vscode-dark .{ROOT},html[theme=dark] .{ROOT}"
    f"{{{_variables(DARK)}color-scheme:dark}}"
)

_RULES = """
& {background:var(--paper);color:var(--ink);font:14px/1.5 system-ui,sans-serif;padding:1em;border-radius:6px;
  max-width:62em;text-align:left}
& p,& ol,& ul,& li {margin:.3em 0;padding:0;color:var(--ink);list-style:none}
& .text {font:15px/1.4 ui-monospace,Menlo,Consolas,monospace;white-space:break-spaces;overflow-wrap:anywhere;
  margin:.5em 0;tab-size:4}
& .w {margin-right:.4em}
& .t {display:inline-block;max-width:100%;box-sizing:border-box;border:1px solid var(--line);border-radius:3px;
  margin:1px;padding:0 .15em;vertical-align:top;color:var(--ink);background:var(--paper);min-height:1.4em;
  font-family:ui-monospace,Menlo,Consolas,monospace;white-space:break-spaces;overflow-wrap:anywhere}
& .t[data-id]::after {content:attr(data-id);display:block;font-size:11px;line-height:1.2;text-align:center}
& .t0 {background:var(--t0)} & .t1 {background:var(--t1)} & .t2 {background:var(--t2)}
& .t3 {background:var(--t3)} & .t4 {background:var(--t4)}
& .special {background:var(--special);color:var(--special-ink);border:2px solid var(--special-ink);
  outline:1px solid var(--special);font-weight:600}
& .s {position:relative}
& .s::before {content:"\\00b7";position:absolute;left:0;right:0;text-align:center;font-weight:700}
& .m::before {content:attr(data-m);font-size:.8em;font-style:italic}
& .h {font-size:0;tab-size:0}
& .t bdi {margin-left:.15em}
& details {border-top:1px solid var(--line);padding:.2em 0}
& details>summary {cursor:pointer;color:var(--ink)}
& .often,& .aside,& small {white-space:nowrap;color:var(--faint);font-size:12px;background:none}
& .scroll {overflow-x:auto;padding:.4em 0 .6em 1em}
& table {border-collapse:separate;border-spacing:2px;margin:0;width:auto;color:var(--ink);
  font:13px/1.4 ui-monospace,Menlo,Consolas,monospace}
& tr,& tr:nth-child(even),& tbody tr:hover {background:var(--paper)}
& th,& td {background:var(--paper);color:var(--ink);padding:.1em .5em;text-align:left;white-space:pre;max-width:none;
  vertical-align:middle;border:0}
& th {font-weight:600;color:var(--faint)}
& caption {text-align:left;white-space:nowrap;color:var(--faint);font-size:12px}
& .tree td {border:1px solid var(--line);border-radius:3px;text-align:center;vertical-align:top}
& .tree td.t0 {background:var(--t0)} & .tree td.t1 {background:var(--t1)} & .tree td.t2 {background:var(--t2)}
& .tree td.t3 {background:var(--t3)} & .tree td.t4 {background:var(--t4)}
& .tree td span {display:block;font-size:11px;color:var(--ink)}
& .round {border-top:1px solid var(--line);padding:.6em 0}
& .bar {display:inline-block;height:.8em;background:var(--bar);vertical-align:middle;min-width:2px}
& .won .bar {background:var(--won)}
& .samples {font:13px/1.4 ui-monospace,Menlo,Consolas,monospace}
& .samples .t {padding:0 .3em}
& .new {background:var(--t1);font-weight:700;border-width:2px}
@media(forced-colors:active){& .t {border:1px solid CanvasText} & .special {border:3px double CanvasText}}
"""

STYLE = _THEMES + " ".join(_RULES.split()).replace("& ", f".{ROOT} ").replace(f".{ROOT} {{", f".{ROOT}{{")
