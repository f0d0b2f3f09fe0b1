"""The coverage table: a case for every op, by its name."""

from .cases_elementwise import ACTIVATION, ARITHMETIC, COMPARISON
from .cases_model import ATTENTION, DROPOUT, LOSS, NORMALIZATION, POSITION
from .cases_structure import INDEXING, MATMUL, REDUCTION, SHAPE

FAMILIES = {
    "activation": ACTIVATION,
    "arithmetic": ARITHMETIC,
    "attention": ATTENTION,
    "comparison": COMPARISON,
    "dropout": DROPOUT,
    "indexing": INDEXING,
    "loss": LOSS,
    "matmul": MATMUL,
    "normalization": NORMALIZATION,
    "position": POSITION,
    "reduction": REDUCTION,
    "shape": SHAPE,
}
CASES = {name: case for family in FAMILIES.values() for name, case in family.items()}
