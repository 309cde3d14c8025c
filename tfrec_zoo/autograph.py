"""Traces the functions of this package as they are written, as TensorFlow does its own.

AutoGraph rewrites Python's control flow, so that `if` and `for` work on tensors. Nothing in this
package relies on it, and rewriting takes seconds of each process. The models and layers of others
are rewritten as ever, those that derive from a class of this package too.
"""

import contextlib


def trace_as_written(package: str) -> None:
    """Lets AutoGraph leave alone what is defined in a package.

    A TensorFlow that keeps its rules elsewhere traces the same functions, in more time.

    Args:
        package: Name of the package.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from tensorflow.python.autograph.core import config

        rule = config.DoNotConvert(package)
        if not any(str(rule) == str(other) for other in config.CONVERSION_RULES):
            config.CONVERSION_RULES = (rule, *config.CONVERSION_RULES)
