"""An op's settings as JSON can hold them, without loss, and back; knows nothing of what they mean to an op.

What JSON has stays as it is, a tuple is a list, and the rest is an object with one telling key:

    slice(0, 3)         {"slice": [0, 3, null]}
    ...                 {"ellipsis": true}
    [0, 2]              {"list": [0, 2]}                          NumPy tells it from a tuple
    an array            {"array": [0, 2], "shape": [1, 2], "dtype": "int64"}
    a dtype             {"dtype": "float32"}
    anything else       {"other": "its text"}                     the one thing that does not come back
"""

from typing import Any

import numpy as np

from tinylm.backend import to_host

__all__ = ["decoded", "encoded", "setting_text"]


def encoded(value: Any) -> Any:
    """A setting as JSON can hold it; see the module.

    >>> encoded((slice(0, 3), None, ...))
    [{'slice': [0, 3, None]}, None, {'ellipsis': True}]
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple):
        return [encoded(part) for part in value]
    if isinstance(value, list):
        return {"list": [encoded(part) for part in value]}
    if isinstance(value, slice):
        return {"slice": [encoded(part) for part in (value.start, value.stop, value.step)]}
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return {"dtype": str(np.dtype(value))}
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        host = np.asarray(to_host(value))
        return {"array": host.reshape(-1).tolist(), "shape": list(host.shape), "dtype": str(host.dtype)}
    return {"other": str(value)[:200]}


def decoded(value: Any) -> Any:
    """What `encoded` was given; raises ValueError for what did not come through.

    >>> decoded([{"slice": [0, 3, None]}, None, {"ellipsis": True}])
    (slice(0, 3, None), None, Ellipsis)
    """
    if isinstance(value, list):
        return tuple(decoded(part) for part in value)
    if not isinstance(value, dict):
        return value
    match value:
        case {"ellipsis": True}:
            return Ellipsis
        case {"slice": [start, stop, step]}:
            return slice(decoded(start), decoded(stop), decoded(step))
        case {"list": list(parts)}:
            return [decoded(part) for part in parts]
        case {"array": list(numbers), "shape": list(shape), "dtype": str(name)}:
            return np.array(numbers, dtype=np.dtype(name)).reshape(shape)
        case {"dtype": str(name)}:
            return np.dtype(name)
    raise ValueError(f"a setting that a trace cannot hold: {value.get('other', value)}")


def setting_text(value: Any) -> str:
    """An encoded setting as a person writes it.

    >>> setting_text([{"slice": [0, 3, None]}, None, {"ellipsis": True}]), setting_text({"dtype": "float32"})
    ('(0:3, None, ...)', 'float32')
    """
    if isinstance(value, list):
        return f"({', '.join(map(setting_text, value))}{',' * (len(value) == 1)})"
    match value:
        case {"ellipsis": True}:
            return "..."
        case {"slice": [start, stop, step]}:
            parts = [start, stop] if step is None else [start, stop, step]
            return ":".join("" if part is None else setting_text(part) for part in parts)
        case {"list": list(parts)}:
            return f"[{', '.join(map(setting_text, parts))}]"
        case {"array": _, "shape": list(shape), "dtype": str(name)}:
            return f"{name}{shape}"
        case {"dtype": str(name)}:
            return name
        case {"other": str(text)}:
            return text
    return str(value)
