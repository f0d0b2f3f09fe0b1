"""The page that a student gets: every exercise, right or not, and what to look at next; nothing of the staff's."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape

from tinylm.course.klass.paper import mark, paper
from tinylm.course.report import verdict_html
from tinylm.course.verdict import LIBRARYS, Verdict, number

__all__ = ["feedback"]


_RULES = """
.list{list-style:none;padding:0;margin:.8rem 0 1.4rem;display:flex;flex-wrap:wrap;gap:.4rem 1.1rem}
section{position:relative;border-top:1px solid var(--line);padding:.5rem 0;scroll-margin-top:.5rem}
section:target{outline:2px solid var(--won);outline-offset:.2rem}
section p{max-width:none}
.points{float:right;margin:.6rem 0 0 1rem;color:var(--faint);font-size:.95rem}
@media(max-width:40rem){
  main .tinylm-course th,main .tinylm-course td{display:block}
  main .tinylm-course tr+tr th{padding-top:.4rem}
}
"""


def feedback(
    title: str,
    verdicts: Sequence[Verdict],
    *,
    course: str = "",
    notes: Sequence[str] = (),
    points: Mapping[str, float] | None = None,
) -> str:
    """The page, as HTML.

    title     the student, or the file
    notes     sentences on files that were left out
    points    exercise → what it is worth; None: no word of points
    """
    right = sum(each.right for each in verdicts)
    parts = [f'<p class="faint">{escape(course)}</p>' * bool(course), f"<h1>{escape(title)}</h1>"]
    got = f"<b>{right} of {len(verdicts)}</b> exercise{'s are' if len(verdicts) != 1 else ' is'} right"
    if points is not None:
        reached = sum(points.get(each.problem, 0.0) * each.share for each in verdicts)
        whole = sum(points.get(each.problem, 0.0) for each in verdicts)
        got += f": <b>{number(reached)} of {number(whole)}</b> points"
    parts.append(f"<p>{got}.</p>")
    parts += [f"<p>Note: {escape(note)}.</p>" for note in notes]
    links = (f'<li>{mark(each)} <a href="#{each.problem}">{each.problem}</a></li>' for each in verdicts)
    parts.append(f'<ul class="list">{"".join(links)}</ul>' * (len(verdicts) > 1))
    for each in verdicts:
        worth = ""
        if points is not None:
            most = points.get(each.problem, 0.0)
            got = number(most * each.share)
            worth = f'<span class="points">{got} of {number(most)}</span>'
        shown = verdict_html(_said_once(each))
        parts.append(f'<section id="{each.problem}" aria-label="{each.problem}">{worth}{shown}</section>')
    return paper(f"{title}: feedback", "\n".join(filter(None, parts)), _RULES)


def _said_once(verdict: Verdict) -> Verdict:
    """Without whose variant it solves, which a student reads as "other settings", where these have been named."""
    return replace(verdict, solves=()) if verdict.symptom.startswith(LIBRARYS) else verdict
