import logging
from typing import Any

import pytest

from tfrec_zoo.training import precision
from tfrec_zoo.training.precision import half_precision

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

NOTHING = "processor : 0\nmodel name : x\nflags\t\t: fpu sse avx512f\n"
BFLOAT16 = "processor : 0\nflags\t\t: fpu avx512f avx512_bf16\n"


@pytest.mark.parametrize(
    ("capabilities", "cpuinfo", "policy"),
    [
        ([], NOTHING, "float32"),
        ([], None, "float32"),  # No Linux.
        ([], BFLOAT16, "mixed_bfloat16"),
        ([], NOTHING.replace("sse", "amx_bf16"), "mixed_bfloat16"),
        ([(7, 0)], NOTHING, "mixed_float16"),
        ([(8, 6), (6, 1)], BFLOAT16, "float32"),
        ([(8, 6), (7, 5)], NOTHING, "mixed_float16"),
    ],
)
def test_half_precision_where_the_device_has_it(
    capabilities: list,
    cpuinfo: str | None,
    policy: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: Any,
    tmp_path: Any,
) -> None:
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo, encoding="utf-8")
    monkeypatch.setattr(precision, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: capabilities)
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda gpu: {"compute_capability": gpu}
    )
    caplog.set_level(logging.WARNING, "tfrec_zoo.training.precision")
    with half_precision() as found:
        inside = tf.keras.mixed_precision.global_policy().name
        dense = tf.keras.layers.Dense(1)
    assert found == inside == dense.dtype_policy.name == policy
    assert tf.keras.mixed_precision.global_policy().name == "float32"
    assert ("going on in single precision" in caplog.text) is (policy == "float32")


def test_the_policy_is_as_before_after_an_error() -> None:
    with pytest.raises(InterruptedError), half_precision():
        raise InterruptedError
    assert tf.keras.mixed_precision.global_policy().name == "float32"
