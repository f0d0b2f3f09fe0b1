"""Floor 0: where arrays live and where random numbers come from; knows nothing of mathematics or tensors."""

from tinylm.backend.device import (
    NUMPY,
    Backend,
    DeviceError,
    available,
    backend_named,
    backend_of,
    current_backend,
    device_name,
    scatter_add,
    to_host,
    use_device,
)
from tinylm.backend.peak import peak_memory
from tinylm.backend.random import Streams, stream

__all__ = [
    "NUMPY",
    "Backend",
    "DeviceError",
    "Streams",
    "available",
    "backend_named",
    "backend_of",
    "current_backend",
    "device_name",
    "peak_memory",
    "scatter_add",
    "stream",
    "to_host",
    "use_device",
]
