"""Memory of this process as the kernel counts it, in MB of 2**20 bytes."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
MB = 2**20


def high_water_mb() -> float:
    """The most that was resident since the process began (ru_maxrss)."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / MB if sys.platform == "darwin" else most / 1024


def resident_mb() -> float:
    """What is resident now, after what is free was given back; where /proc is not there, the high-water mark."""
    _give_back()
    return _line("VmRSS") or high_water_mb()


class Peak:
    """The peak above what is resident when it begins, so that making the input does not count.

    On Linux the kernel's high-water mark is set back first; elsewhere it cannot be, and `mb` is what the process's mark
    rose by: less than the truth where making the input took more.

    >>> peak = Peak()
    >>> held = bytearray(64 * MB)
    >>> peak.mb() > 50
    True
    """

    def __init__(self) -> None:
        _give_back()
        self.exact = _CLEAR.exists()
        if self.exact:
            _CLEAR.write_text("5", encoding="utf-8")
        self.before = _line("VmRSS") or high_water_mb()

    def mb(self) -> float:
        """MB above the beginning."""
        return max(0.0, (_line("VmHWM") or high_water_mb()) - self.before)


def _line(name: str) -> float | None:
    if not _STATUS.exists():
        return None
    for line in _STATUS.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return None


def _give_back() -> None:
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl has not
        if trim is not None:
            trim(0)
