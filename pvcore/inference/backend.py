"""The machine under a model: device, threads, determinism, and an import without a download."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Threads that wait for each other by spinning take the processor from the one they wait for as soon
# as anything else runs: 4 steps took 52 s instead of 8 s beside other programs. OpenMP reads this when
# torch is loaded, which nothing does before it needs a model.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def bitsandbytes() -> ModuleType:
    """bitsandbytes, imported without the download that it tries where the package `kernels` is.

    On CPUs with AVX512-BF16 its import asks `kernels` for a compiled product from the network. The
    product would serve only the packed inference path, which is switched off here anyhow.
    """
    if "bitsandbytes" not in sys.modules:
        missing = "kernels" not in sys.modules
        kept = sys.modules.get("kernels")
        logger = logging.getLogger("bitsandbytes")
        level = logger.level
        sys.modules["kernels"] = None  # type: ignore[assignment]  # makes `import kernels` an ImportError
        logger.setLevel(logging.ERROR)
        try:
            import bitsandbytes
        finally:
            logger.setLevel(level)
            if missing:
                del sys.modules["kernels"]
            else:
                sys.modules["kernels"] = kept  # type: ignore[assignment]
    import bitsandbytes

    return bitsandbytes


def device() -> torch.device:
    """This process's CUDA device where there is one, else the CPU."""
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


@contextlib.contextmanager
def deterministic(threads: int | None = None) -> Iterator[None]:
    """Deterministic kernels, `threads` threads, and a random state of its own; all put back at the end."""
    import torch

    # cuBLAS reads this once, when CUDA starts (NVIDIA cuBLAS, "Results reproducibility").
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.get_num_threads(),
        torch.backends.cuda.mem_efficient_sdp_enabled(),
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
    )
    # Of this process's device only: to ask another GPU for its random state would start CUDA on it.
    with torch.random.fork_rng([place.index] if (place := device()).type == "cuda" else []):
        try:
            torch.use_deterministic_algorithms(True)
            torch.set_num_threads(threads or before[2])
            torch.backends.cuda.enable_mem_efficient_sdp(False)  # its backward pass is not deterministic
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.allow_tf32 = False
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
            torch.set_num_threads(before[2])
            torch.backends.cuda.enable_mem_efficient_sdp(before[3])
            torch.backends.cuda.matmul.allow_tf32 = before[4]
            torch.backends.cudnn.allow_tf32 = before[5]
