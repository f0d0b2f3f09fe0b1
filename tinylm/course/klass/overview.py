"""The page for staff: who has solved what, what went wrong, and which exercises tell students apart."""

from collections.abc import Mapping, Sequence
from html import escape

from tinylm.course.klass.alike import Alike
from tinylm.course.klass.paper import MARKS, paper
from tinylm.course.klass.statistics import Common, Exercised
from tinylm.course.verdict import Verdict, number

__all__ = ["overview"]

SHOWN_FAULTS = 5
NAMED_STUDENTS = 4
WIDE = 0.07  # of a bar: room for a mark and a number

_RULES = """
main{max-width:90rem}
.wide{overflow:auto;max-height:80vh;border:1px solid var(--line);border-radius:4px;width:fit-content;max-width:100%}
.wide table{font-size:.92rem}
.wide th,.wide td{padding:.12rem .3rem;text-align:center;vertical-align:middle}
.wide thead th{position:sticky;top:0;background:var(--paper);z-index:1;vertical-align:bottom;
  box-shadow:0 1px 0 var(--line)}
.wide thead th span{writing-mode:vertical-rl;transform:rotate(180deg);font-weight:400;max-height:20rem;padding:.2rem 0}
.wide tbody th{position:sticky;left:0;background:var(--paper);text-align:left;font-weight:400;max-width:14rem;
  overflow:hidden;text-overflow:ellipsis;white-space:nowrap;box-shadow:1px 0 0 var(--line)}
.wide thead th:first-child{left:0;z-index:2;text-align:left}
.wide td{border:1px solid var(--paper);min-width:1.7rem}
.wide td a{text-decoration:none;display:block;font-weight:700}
.wide td.sum{text-align:right;font-variant-numeric:tabular-nums;padding:.12rem .6rem}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;margin:.6rem 0;padding:0;list-style:none;font-size:.92rem}
.all{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr));gap:0 2.2rem}
.each{border-top:1px solid var(--line);padding:.7rem 0;font-size:.95rem}
.each h3{margin:0;font-size:1.05rem;overflow-wrap:anywhere}
.bar{display:flex;height:1.35rem;border-radius:3px;overflow:hidden;border:1px solid var(--line);
  margin:.35rem 0;font-size:.82rem;line-height:1.3rem;text-align:center}
.bar span{overflow:hidden;min-width:2px;white-space:nowrap}
@media print{.wide{max-height:none;overflow:visible;border:0}.wide thead th,.wide tbody th{position:static}}
.each ul{margin:.3rem 0;padding-left:1.2rem}
"""

EXPLAINED = (
    "Discrimination is the correlation between solving this exercise and the number of the others that a student has "
    "solved: near 1, those who solve the others solve this one; near 0 or below, it measures something else, or its "
    "statement misleads; with a few dozen students it is uncertain by ±0.2 or more."
)
ALIKE = (
    "These answers are equal but for names, comments, docstrings and layout. Short answers are often equal by chance, "
    "and working together may be welcome: it says where to look, and nothing else. Code that more than a fifth of the "
    "class has in common is not listed."
)


def overview(
    title: str,
    names: Sequence[str],
    table: Mapping[str, Mapping[str, Verdict]],
    exercised: Sequence[Exercised],
    *,
    pages: Mapping[str, str],
    alike: Sequence[Alike] = (),
    look_at: Sequence[tuple[str, str]] = (),
    scores: Mapping[str, float] | None = None,
    most: float = 0.0,
    remarks: Sequence[str] = (),
    without: int = 0,
) -> str:
    """The page, as HTML.

    table      student → exercise → verdict
    pages      student → where their feedback lies
    look_at    (student, why a person should look at the submission)
    scores     student → points, out of `most`
    remarks    sentences on the run as a whole
    without    how many in the table have no verdicts: `exercised`, the mean and the shares leave them out
    """
    rights = {student: sum(each.right for each in table[student].values()) for student in table}
    graded = len(table) - without
    mean = sum(rights.values()) / graded if graded else 0.0
    who = f"{_many(len(table), 'student')}, {_many(graded, 'submission')}" if without else _many(graded, "submission")
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{who}, {_many(len(names), 'exercise')}; on average {mean:.1f} right.</p>",
        *(f"<p>{escape(each)}</p>" for each in remarks),
    ]
    nobody = [each.name for each in exercised if not each.right]
    if nobody and graded:
        parts.append(f"<p><b>Solved by nobody:</b> {', '.join(nobody)}</p>")
    if look_at:
        rows = "".join(f"<li>{_student(student, pages)}: {escape(why)}</li>" for student, why in look_at)
        parts.append(f"<h2>A person should look at these</h2><ul>{rows}</ul>")
    parts += ["<h2>Who has solved what</h2>", _table(names, table, rights, pages, scores, most), _legend(table)]
    parts.append("<h2>The exercises</h2>")
    parts.append(f'<p class="faint">{EXPLAINED}</p>')
    parts.append(f'<div class="all">{"".join(_exercise(each, graded, pages) for each in exercised)}</div>')
    parts += _together(alike, pages)
    return paper(title, "\n".join(parts), _RULES)


def _together(alike: Sequence[Alike], pages: Mapping[str, str]) -> list[str]:
    """Groups of equal code; those with one exercise in common, of which there are many by chance, folded away."""
    if not alike:
        return []
    rows = [
        f"<li>{', '.join(_student(each, pages) for each in group.students)}: {', '.join(group.exercises)}</li>"
        for group in alike
    ]
    several = sum(len(group.exercises) > 1 for group in alike)
    parts = [f'<h2>Look at these together</h2><p class="faint">{ALIKE}</p>']
    parts += [f"<ul>{''.join(rows[:several])}</ul>"] * (several > 0)
    if rows[several:]:
        summary = f"<summary>Equal in one exercise: {_many(len(rows) - several, 'group')}</summary>"
        parts.append(f"<details>{summary}<ul>{''.join(rows[several:])}</ul></details>")
    return parts


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _student(name: str, pages: Mapping[str, str]) -> str:
    """A link to a student's page; a hand-in that is nobody's has none."""
    return f'<a href="{escape(pages[name])}">{escape(name)}</a>' if name in pages else escape(name)


def _table(
    names: Sequence[str],
    table: Mapping[str, Mapping[str, Verdict]],
    rights: Mapping[str, int],
    pages: Mapping[str, str],
    scores: Mapping[str, float] | None,
    most: float,
) -> str:
    heads = "".join(f'<th scope="col"><span>{name}</span></th>' for name in names)
    worth = f'<th scope="col">of {number(most)} points</th>' if scores is not None else ""
    rows = []
    for student, verdicts in table.items():
        cells = []
        for name in names:
            verdict = verdicts[name]
            sign, says, *_ = MARKS[verdict.status]
            said = "; ".join(f"as if {each.says}" for each in verdict.named) or says
            if verdict.status == "missing":
                said = verdict.sentence.partition(";")[0]
            link = f'<a href="{escape(pages[student])}#{name}" title="{escape(f"{name}: {said}")}">{sign}</a>'
            cells.append(f"<td class={verdict.status}>{link}</td>")
        score = f'<td class="sum">{number(scores[student])}</td>' if scores is not None else ""
        rows.append(
            f'<tr><th scope="row">{_student(student, pages)}</th><td class="sum">{rights[student]}</td>{score}'
            f"{''.join(cells)}</tr>"
        )
    head = f'<tr><th scope="col">student</th><th scope="col">right</th>{worth}{heads}</tr>'
    body = "\n".join(rows)
    return f'<div class="wide" tabindex="0"><table><thead>{head}</thead><tbody>\n{body}\n</tbody></table></div>'


def _legend(table: Mapping[str, Mapping[str, Verdict]]) -> str:
    met = {each.status for verdicts in table.values() for each in verdicts.values()}
    items = (
        f'<li><span class="mark {status}">{sign}</span> {says}</li>'
        for status, (sign, says, *_) in MARKS.items()
        if status in met
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _exercise(each: Exercised, students: int, pages: Mapping[str, str]) -> str:
    parts = []
    for status, (sign, says, *_) in MARKS.items():
        count = each.counts.get(status, 0)
        if count:
            shown = f"{sign} {count}" if count >= WIDE * students else ""
            parts.append(f'<span class="{status}" style="flex:{count}" title="{count} {escape(says)}">{shown}</span>')
    share = f"{100 * each.right / students:.0f} % right" if students else ""
    r = "" if each.discrimination is None else f", discrimination {each.discrimination:+.2f}".replace("-", "−")
    few = "" if each.tried_by == students else f", {each.tried_by} of {students} handed it in"
    faults = "".join(_fault(fault, pages) for fault in each.faults[:SHOWN_FAULTS])
    rest = len(each.faults) - SHOWN_FAULTS
    more = f"<li class=faint>{_many(rest, 'other fault')}, less common</li>" if rest > 0 else ""
    return (
        f'<div class="each" id="{each.name}"><h3>{each.name}</h3>'
        f'<div class="bar" role="img" aria-label="{escape(_counts(each))}">{"".join(parts)}</div>'
        f"<p>{share}{r}{few}</p>{f'<ul>{faults}{more}</ul>' if faults else ''}</div>"
    )


def _counts(each: Exercised) -> str:
    return ", ".join(f"{count} {status}" for status, count in each.counts.items())


def _fault(fault: Common, pages: Mapping[str, str]) -> str:
    named = ", ".join(_student(each, pages) for each in fault.students[:NAMED_STUDENTS])
    rest = len(fault.students) - NAMED_STUDENTS
    more = f" and {rest} more" if rest > 0 else ""
    return (
        f"<li><b>{len(fault.students)} ×</b> as if {escape(fault.says)} <span class=faint>({named}{more})</span></li>"
    )
