"""A student's file run in a process of its own, with limits; whatever it does costs that one exercise.

    with Nursery(Limits(seconds=5)) as nursery:
        with nursery.guarded("my_work.py", problem_named("layer_norm")) as answer:
            outcomes = list(answer.calls(cases))

The process gets arguments and gives values back, as plain data (wire.py); what is right is decided in the parent, which
is all that a student's code can never reach. `protections()` says which walls the system lends.

In the parent: guarded.py, line.py, nursery.py. In the other processes: boot.py, cradle.py, closing.py, child.py.
"""

from tinylm.course.sandbox.guarded import Guarded
from tinylm.course.sandbox.limits import Limits
from tinylm.course.sandbox.nursery import Nursery
from tinylm.course.sandbox.protections import protections

__all__ = ["Guarded", "Limits", "Nursery", "protections"]
