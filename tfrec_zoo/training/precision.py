"""Half precision, where GPUs or the processor compute in it."""

import contextlib
import logging
import pathlib
import re
from collections.abc import Iterator

import tensorflow as tf

logger = logging.getLogger(__name__)

#: Instructions for products of bfloat16, which TensorFlow's kernels use, as Linux names them.
_BFLOAT16 = {"avx512_bf16", "amx_bf16"}
_CPUINFO = pathlib.Path("/proc/cpuinfo")


@contextlib.contextmanager
def half_precision(is_wanted: bool = True) -> Iterator[str]:
    """Models that are made within compute in half precision, if the device does.

    GPUs from compute capability 7.0 on compute in float16, processors with AVX512-BF16 or AMX in
    bfloat16, if there is no GPU. Weights stay in single precision. Where nothing does, a warning
    is logged, and all goes on in single precision.

    Args:
        is_wanted: Whether to change anything.

    Yields:
        The name of Keras's policy.
    """
    before = tf.keras.mixed_precision.global_policy()
    policy = _suited_policy() if is_wanted else None
    if policy is not None:
        tf.keras.mixed_precision.set_global_policy(policy)
    elif is_wanted:
        logger.warning("No device computes in half precision: going on in single precision.")
    try:
        yield tf.keras.mixed_precision.global_policy().name
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


def _suited_policy() -> str | None:
    details = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    if details:
        return "mixed_float16" if min(details) >= (7, 0) else None
    return "mixed_bfloat16" if _processor_flags() & _BFLOAT16 else None


def _processor_flags() -> set[str]:
    """What the processor can do, as Linux tells it; nothing elsewhere."""
    text = _CPUINFO.read_text(encoding="utf-8") if _CPUINFO.is_file() else ""
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return set(flags[1].split()) if flags else set()
