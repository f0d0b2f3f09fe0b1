"""Why a random change of an answer that the grader does not notice is no fault: (exercise, old, new) → reason."""

EXPLAINED: dict[tuple[str, str, str], str] = {}
