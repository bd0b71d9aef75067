"""What the project does about memory, for its rivals."""

import ctypes
import gc


def keep_memory() -> None:
    """Spare the collector what stays, and the kernel the memory of each batch, as the project does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(-1, 512 << 20)  # M_TRIM_THRESHOLD of malloc.h
    mallopt(-2, 64 << 20)  # M_TOP_PAD
