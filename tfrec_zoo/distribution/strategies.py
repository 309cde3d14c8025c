"""Strategies: the devices and machines that a training runs on, by TensorFlow's distributed engine.

What machines there are is read from the environment variable TF_CONFIG by TensorFlow's own cluster
resolver. docs/scale.md says how to use all of it.
"""

import functools
import logging
import os
import time
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import tensorflow as tf

logger = logging.getLogger(__name__)

#: Names of strategies: one device, those of this machine, equal machines, or parameter servers.
STRATEGIES = ("none", "mirrored", "multi-worker", "parameter-server")
#: Smallest part of a table that is worth a parameter server of its own, in bytes.
SHARD_BYTES = 256 << 10
#: Classes of TensorFlow's strategies by our names.
_CLASSES: dict[str, type[tf.distribute.Strategy]] = {
    "mirrored": tf.distribute.MirroredStrategy,
    "multi-worker": tf.distribute.MultiWorkerMirroredStrategy,
    "parameter-server": tf.distribute.ParameterServerStrategy,
}
_EXAMPLES = {
    "multi-worker": '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}',
    "parameter-server": '{"cluster": {"chief": ["host0:2222"], "worker": ["host1:2222"], '
    '"ps": ["host2:2222"]}, "task": {"type": "chief", "index": 0}}',
}


def name_of(strategy: str | tf.distribute.Strategy) -> str:
    """The name of a strategy.

    Args:
        strategy: A name, or one of TensorFlow's.

    Raises:
        ValueError: If there is none of that name, or TensorFlow's is of another kind.

    Example:

    >>> name_of(tf.distribute.MirroredStrategy(["CPU:0"]))
    'mirrored'
    """
    if isinstance(strategy, str) and strategy in STRATEGIES:
        return strategy
    for name, cls in _CLASSES.items():
        if isinstance(strategy, cls):
            return name
    raise ValueError(
        f"`strategy` must be one of {list(STRATEGIES)}, or an object of one of "
        f"{[cls.__name__ for cls in _CLASSES.values()]}. Received: {strategy!r}"
    )


def join(strategy: str | tf.distribute.Strategy) -> tf.distribute.Strategy | None:
    """Joins the devices or machines of a strategy, and returns it; None for `"none"`.

    A name is joined once in a process. That must be before TensorFlow does anything else, so a
    program of several machines begins with this call. In the process of a parameter server, or of a
    worker beside one, it serves until the process is ended, and never returns.

    Args:
        strategy: A name, or one of TensorFlow's, which is returned as it is.

    Raises:
        ValueError: If TF_CONFIG is missing, can't be read, or is of another kind of cluster.
        RuntimeError: If it is too late.
    """
    name = name_of(strategy)
    if not isinstance(strategy, str):
        return strategy
    return None if name == "none" else _joined(name)


@functools.cache
def _joined(name: str) -> tf.distribute.Strategy:
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    resolver = _resolver(name)
    sizes = {job: len(tasks) for job, tasks in resolver.cluster_spec().as_dict().items()}
    # Connections wait for machines that are not up yet.
    os.environ.setdefault("GRPC_FAIL_FAST", "use_caller")
    if name == "parameter-server":
        if resolver.task_type in ("worker", "ps"):
            _serve(resolver, sizes["worker"])
        _require_threads(sizes["worker"] + sizes["ps"] + 1)
        partitioner = tf.distribute.experimental.partitioners.MinSizePartitioner(
            SHARD_BYTES, max_shards=sizes["ps"]
        )
        return tf.distribute.ParameterServerStrategy(resolver, variable_partitioner=partitioner)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except RuntimeError as error:
        raise RuntimeError(
            'The strategy "multi-worker" must be joined before TensorFlow does anything else: '
            "begin the program with tfrec_zoo.distribution.strategies.join('multi-worker'). "
            f"Received: {error}"
        ) from error


def _resolver(name: str) -> Any:
    """TensorFlow's reader of TF_CONFIG, once it has what a strategy needs.

    Raises:
        ValueError: If it has not.
    """
    given = os.environ.get("TF_CONFIG")
    needs = f"The strategy {name!r} needs the environment variable TF_CONFIG"
    if not given:
        raise ValueError(
            f"{needs}, such as {_EXAMPLES[name]}; `tfrec-zoo cluster` sets it on one machine. "
            "Received: no TF_CONFIG"
        )
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    try:
        cluster = resolver.cluster_spec()
        jobs = cluster.as_dict()
        cluster.task_address(resolver.task_type, resolver.task_id)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(
            f"{needs} to be JSON such as {_EXAMPLES[name]}, with a `task` that is in the "
            f"`cluster`: {error}. Received: {given}"
        ) from error
    jobs_needed = "workers alone" if name == "multi-worker" else "one chief, workers and ps"
    if name == "multi-worker":
        is_suited = set(jobs) <= {"chief", "worker"}
    else:
        is_suited = set(jobs) == {"chief", "worker", "ps"} and len(jobs["chief"]) == 1
    if not is_suited:
        raise ValueError(
            f"{needs} to name {jobs_needed}, such as {_EXAMPLES[name]}. Received: {given}"
        )
    return resolver


def _serve(resolver: Any, num_workers: int) -> NoReturn:
    """Is a worker or a parameter server until the process is ended."""
    config = tf.compat.v1.ConfigProto()
    # Requests that wait for others hold a thread each.
    config.inter_op_parallelism_threads = max(os.cpu_count() or 1, num_workers + 1)
    server = tf.distribute.Server(
        resolver.cluster_spec(),
        job_name=resolver.task_type,
        task_index=resolver.task_id,
        protocol=resolver.rpc_layer or "grpc",
        config=config,
        start=True,
    )
    logger.info("%s %d serves at %s", resolver.task_type, resolver.task_id, server.target)
    while True:  # `server.join` would not let itself be interrupted.
        time.sleep(3600)


def _require_threads(number: int) -> None:
    """Sees that calls to so many machines, which hold a thread each, can't take all there are.

    Raises:
        RuntimeError: If there are fewer, and TensorFlow is running by now.
    """
    own = tf.config.threading.get_inter_op_parallelism_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (own or cores or 1) >= number:
        return
    try:
        tf.config.threading.set_inter_op_parallelism_threads(number)
    except RuntimeError as error:
        raise RuntimeError(
            f"A coordinator needs {number} threads, or it may wait for itself: begin the program "
            "with tfrec_zoo.distribution.strategies.join('parameter-server'), or with "
            f"tf.config.threading.set_inter_op_parallelism_threads({number}). "
            f"Received: {own or cores} threads"
        ) from error


def is_chief(strategy: tf.distribute.Strategy | None) -> bool:
    """Whether this process is the one that writes files."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True
    resolver = strategy.cluster_resolver
    jobs = resolver.cluster_spec().as_dict()
    if not jobs or resolver.task_type == "chief":
        return True
    return "chief" not in jobs and resolver.task_id == 0


def sizes(strategy: tf.distribute.Strategy | None) -> dict[str, int]:
    """How many devices or machines a strategy has, as result files say it; {} for none."""
    if strategy is None:
        return {}
    if isinstance(strategy, tf.distribute.ParameterServerStrategy):
        devices = [tf.DeviceSpec.from_string(d.name) for d in tf.config.list_logical_devices()]
        tasks = {(device.job, device.task) for device in devices}
        jobs = [job for job, _ in tasks]
        return {"workers": jobs.count("worker"), "parameter_servers": jobs.count("ps")}
    return {"replicas": strategy.num_replicas_in_sync}


def agreed(
    strategy: tf.distribute.Strategy | None, values: Mapping[str, float]
) -> dict[str, float]:
    """The chief's numbers, which all workers then have and decide by.

    Every worker has to call it at the same moments, with the same names.

    Args:
        strategy: The strategy; any other than several workers leaves the numbers as they are.
        values: Numbers by name.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or not values:
        return dict(values)
    own = np.array([float(value) for value in values.values()])
    if not is_chief(strategy):
        own = np.zeros_like(own)
    # NaN and infinity are no numbers to add up: they travel as flags.
    parts = [np.nan_to_num(own, nan=0.0, posinf=0.0, neginf=0.0)]
    parts += [np.isnan(own), np.isposinf(own), np.isneginf(own)]
    with strategy.scope():
        total = strategy.reduce("SUM", tf.constant(np.stack(parts).astype(np.float64)), axis=None)
    number, is_nan, is_high, is_low = total.numpy()
    number = np.where(is_nan > 0, np.nan, number)
    number = np.where(is_high > 0, np.inf, np.where(is_low > 0, -np.inf, number))
    return dict(zip(values, number.tolist(), strict=True))
