"""Regexes that mean the same to `regex`, which cuts text here, and to Oniguruma, which does it for Hugging Face.

Both speak of Unicode, but differ in the rest: $ and (?m), {1,3}+, \\w and \\h, sets within sets. So a regex is let
through only if it is built of pieces known to agree, which a test compares over all characters.
"""

import regex

from tokenizer.errors import TokenizerError

_CATEGORY = r"\\[pP]\{\^?(?:L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?)\}"
_ESCAPE = rf"(?:\\[sSdDrnt]|\\[!-/:-@\[-`{{-~]|{_CATEGORY})"

_PORTABLE = regex.compile(
    rf"""
    (?: \(\?i:(?i: (?!ss|st|f[fil]) ['|a-z] | \[[a-z]+\] )*+\)  # either case, but no ligatures: ß may be ss
    | \((?:\?[:=!>]|(?!\?)) | \) | \|                     # groups, lookahead, atomic groups, alternatives
    | [?*+][?+]?                                    # repetition: greedy, lazy, possessive
    | \{{\d+(?:,\d*)?\}}(?![?+*])
    | \.                                            # any character but a line feed
    | {_ESCAPE}
    | \[\^?+(?: {_ESCAPE} | [^\[\]\\\-]-[^\[\]\\\-] | (?!&&|\|\||~~)[^\[\]\\\-] )++\]
    | [^\\^$.\[\](){{}}?*+|]
    )*+
    """,
    regex.VERBOSE,
)

WRITE_INSTEAD = {
    "\\w": r"[\p{L}\p{M}\p{N}_]",
    "\\b": r"a lookahead such as (?!\p{L})",
    "$": r"(?![\s\S]) for the end of the text",
}


def portable(expression: str, where: str) -> str:
    r"""Give a regex back if both engines are known to read it alike; raises TokenizerError at what may differ.

    >>> portable(r" ?\p{L}+|\s+(?!\S)", "to_huggingface")
    ' ?\\p{L}+|\\s+(?!\\S)'
    """
    agreed = _PORTABLE.match(expression).end()
    if agreed < len(expression):
        rest = expression[agreed:]
        hint = next((f"; write {better}" for there, better in WRITE_INSTEAD.items() if rest.startswith(there)), "")
        raise TokenizerError(
            f"{where}: the regex {expression!r} may mean something else to Hugging Face's engine from {rest!r} on{hint}"
        )
    return expression
