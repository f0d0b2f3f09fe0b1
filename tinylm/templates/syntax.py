"""What a template is made of once it is parsed: expressions and statements, each with the line it stands on."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Node:
    line: int


class Expression(Node):
    __slots__ = ()


class Statement(Node):
    __slots__ = ()


Body = list[Statement]


@dataclass(slots=True)
class Literal(Expression):
    value: str | int | float | bool | None


@dataclass(slots=True)
class Name(Expression):
    name: str


@dataclass(slots=True)
class Sequence(Expression):
    """[a, b], or as a tuple (a, b)."""

    items: list[Expression]
    fixed: bool


@dataclass(slots=True)
class Mapping(Expression):
    """{key: value}"""

    pairs: list[tuple[Expression, Expression]]


@dataclass(slots=True)
class Attribute(Expression):
    """of.name"""

    of: Expression
    name: str


@dataclass(slots=True)
class Slice(Expression):
    """start:stop:step"""

    parts: list[Expression | None]


@dataclass(slots=True)
class Item(Expression):
    """of[key]"""

    of: Expression
    key: Expression


@dataclass(slots=True)
class Call(Expression):
    """of(arguments, name=value)"""

    of: Expression
    arguments: list[Expression]
    named: dict[str, Expression]


@dataclass(slots=True)
class Filter(Expression):
    """of | name(arguments)"""

    of: Expression
    name: str
    arguments: list[Expression]
    named: dict[str, Expression]


@dataclass(slots=True)
class Test(Expression):
    """of is name(arguments)"""

    of: Expression
    name: str
    arguments: list[Expression]


@dataclass(slots=True)
class Sign(Expression):
    """-of, +of"""

    operator: str
    of: Expression


@dataclass(slots=True)
class Chain(Expression):
    """first + second - third: the same precedence, from left to right."""

    first: Expression
    rest: list[tuple[str, Expression]]


@dataclass(slots=True)
class Compare(Expression):
    """first < second <= third, each pair by itself, also for in and not in."""

    first: Expression
    rest: list[tuple[str, Expression]]


@dataclass(slots=True)
class Concat(Expression):
    """a ~ b"""

    items: list[Expression]


@dataclass(slots=True)
class And(Expression):
    items: list[Expression]


@dataclass(slots=True)
class Or(Expression):
    items: list[Expression]


@dataclass(slots=True)
class Not(Expression):
    of: Expression


@dataclass(slots=True)
class Conditional(Expression):
    """then if test else other"""

    test: Expression
    then: Expression
    other: Expression | None


@dataclass(slots=True)
class Target(Node):
    """What is assigned to: a name, `space.name`, or several of them in a tuple (`parts`)."""

    name: str = ""
    space: str = ""
    parts: list["Target"] = field(default_factory=list)


@dataclass(slots=True)
class Text(Statement):
    text: str


@dataclass(slots=True)
class Output(Statement):
    of: Expression


@dataclass(slots=True)
class If(Statement):
    branches: list[tuple[Expression, Body]]
    other: Body


@dataclass(slots=True)
class For(Statement):
    target: Target
    over: Expression
    test: Expression | None
    body: Body
    other: Body


@dataclass(slots=True)
class Set(Statement):
    target: Target
    value: Expression


@dataclass(slots=True)
class SetBlock(Statement):
    """{% set name | filter %} body {% endset %}"""

    target: Target
    filters: Expression | None
    body: Body


@dataclass(slots=True)
class FilterBlock(Statement):
    filters: Expression
    body: Body


@dataclass(slots=True)
class Macro(Statement):
    name: str
    parameters: list[str]
    defaults: list[Expression]
    body: Body


@dataclass(slots=True)
class With(Statement):
    pairs: list[tuple[Target, Expression]]
    body: Body


@dataclass(slots=True)
class Scope(Statement):
    """{% generation %}: names set inside stay inside."""

    body: Body


@dataclass(slots=True)
class Break(Statement):
    pass


@dataclass(slots=True)
class Continue(Statement):
    pass
