"""How much time, memory and output a student's answer to one exercise may take."""

from dataclasses import asdict, dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one exercise may cost, its file and all its calls together.

    seconds  of computing time (CPU seconds, so that a busy machine fails nobody); an answer that only waits is ended
             after `patience` times as many by the clock on the wall
    memory   bytes, besides those of Python and NumPy
    output   bytes that it may print
    result   bytes that its calls may return

    Raises ValueError for a limit that is not above 0.
    """

    seconds: float = 10.0
    memory: int = 1 << 30
    output: int = 1 << 20
    result: int = 1 << 22
    patience: float = 6.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise ValueError(f"Limits: {name} must be above 0, got {value!r}")
