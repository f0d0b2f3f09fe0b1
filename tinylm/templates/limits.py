"""What a template may cost, and the errors it may end in; knows nothing of templates' syntax.

A template comes out of a downloaded file. All that could make it costly is counted: steps of the interpreter, text
and items made, nesting, and the size of numbers. Both budgets grow with what the caller hands over, so a long
conversation is no attack.
"""

from typing import NoReturn

__all__ = ["Budget", "Problem", "TemplateError", "refuse"]

LONGEST_SOURCE, MOST_TOKENS = 100_000, 20_000  # the longest published chat templates have a third of that
DEEPEST = 40  # levels of brackets or of blocks inside each other
LONGEST_CHAIN = 60  # a.b.c|d|e: each link is a call inside the next
DEEPEST_MACROS = 8
DEEPEST_VALUE = 40  # lists in lists
LARGEST = 2**63
STEPS, ROOM = 150_000, 1_000_000
SCAN = 16  # characters that one step looks at
ITEM = 24  # what one item of a list counts, in characters


class TemplateError(ValueError):
    """A chat template that cannot be read or carried out; the message names the line and what is wrong."""


class Problem(Exception):
    """What is wrong, said where the line is not known; `Template` makes a TemplateError of it."""


def refuse(what: str) -> NoReturn:
    raise Problem(what)


class Budget:
    """How many steps and how much room are left.

    size: of what the caller handed over, in characters and values
    """

    def __init__(self, size: int = 0):
        self.most_steps, self.most_room = STEPS + size, ROOM + 20 * size
        self.steps, self.room = self.most_steps, self.most_room

    def spend(self, steps: int = 1) -> None:
        self.steps -= steps
        if self.steps < 0:
            refuse(f"it takes more than {self.most_steps:,} steps")

    def scan(self, characters: int) -> None:
        """Look at so many characters."""
        self.spend(1 + characters // SCAN)

    def make(self, characters: int) -> None:
        """Make text of so many characters; asked before it is made."""
        self.room -= characters
        if self.room < 0:
            refuse(f"it makes more than {self.most_room:,} characters of text")
        self.scan(characters)

    def hold(self, items: int) -> None:
        """Make a list of so many items."""
        self.make(ITEM * items)
