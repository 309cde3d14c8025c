"""Negatives: which items stand for all others in the loss of a retrieval model.

In-batch: Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
Recommendations", RecSys 2019. Mixed: Yang et al., "Mixed Negative Sampling for Learning Two-tower
Neural Networks in Recommendations", WWW 2020 Companion.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, get_args

from tfrec_zoo.needs import Need, not_default, tell_idle
from tfrec_zoo.typed_fields import check, checked

Kind = Literal["in-batch", "uniform", "log-uniform", "popularity", "mixed", "column", "hard"]
#: Those for which some of the negatives are the items of the other examples of the batch.
WITH_BATCH = ("in-batch", "mixed", "column")
#: Those whose odds depend on how often each item was chosen.
COUNTED = ("in-batch", "popularity", "mixed", "column")
#: What fields take to have an effect.
_NEEDS = (
    Need(("number",), lambda n: n.draws, "is for kinds that draw items besides those of a batch"),
    Need(("exponent",), lambda n: n.kind == "popularity", 'is for the kind "popularity"'),
    Need(("key",), lambda n: n.kind == "column", 'is for the kind "column"'),
    Need(("share", "temperature", "pool"), lambda n: n.kind == "hard", 'is for the kind "hard"'),
)


@dataclasses.dataclass(frozen=True)
class Negatives:
    """How the negatives of a batch are drawn, and how the softmax is corrected for their odds.

    A drawn item that is the example's own, or (with `mask_known`) one that its history holds, is no
    negative: it weighs exactly nothing.

    Args:
        kind: `"in-batch"`: the items of the other examples. `"uniform"`: all items alike.
            `"log-uniform"`: in proportion to log((rank + 2) / (rank + 1)) of the popularity rank,
            close to Zipf's law, without counts. `"popularity"`: in proportion to (number of
            choices)^exponent. `"mixed"`: in-batch, and `number` uniform ones beside them.
            `"column"`: in-batch, and the items of the bag `key` of all examples, such as what was
            shown and passed over. `"hard"`: uniform, a `share` of them replaced by items that the
            model lately put first for each query; see `tfrec_zoo.MineNegatives`.
        number: Number of items drawn for each batch, shared by its examples.
        exponent: Exponent of the counts, for `"popularity"`.
        correction: Which scores lose the logarithm of the odds of being drawn (logQ): those of the
            `"negatives"`, which comes closest to the gradient of the full softmax; `"all"`, as in
            both papers and in TensorFlow's sampled softmax; or `"none"`.
        mask_known: Whether the items of an example's own history are no negatives of it.
        key: The bag of items, a query column of the spec that no layer reads, for `"column"`.
        share: Share of the `number` that is hard, for `"hard"`.
        temperature: Spread of the hard ones over what the model puts first: at 0 they are the very
            first, at a high temperature any of the pool, for `"hard"`.
        pool: Number of items that hard ones are found among, drawn anew whenever they are mined.

    Example:

    >>> Negatives("mixed", number=1000).to_config()
    {'kind': 'mixed', 'number': 1000}
    """

    kind: Kind
    number: int = 2000
    exponent: float = 0.75
    correction: Literal["negatives", "all", "none"] = "negatives"
    mask_known: bool = False
    key: str = "negatives"
    share: float = 0.5
    temperature: float = 1.0
    pool: int = 50_000

    def __post_init__(self) -> None:
        check(self)
        if self.number < 1:
            raise ValueError(f"`number` must be positive. Received: {self.number}")
        if self.pool < 1:
            raise ValueError(f"`pool` must be positive. Received: {self.pool}")
        if not 0 <= self.exponent < float("inf"):
            raise ValueError(f"`exponent` must be at least 0. Received: {self.exponent}")
        if not 0 < self.share <= 1:
            raise ValueError(f"`share` must be in (0, 1]. Received: {self.share}")
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"`temperature` must be at least 0. Received: {self.temperature}")
        tell_idle(_NEEDS, not_default(self), self, f"negatives {self.kind!r}")

    @property
    def has_batch(self) -> bool:
        """Whether the items of the other examples are negatives."""
        return self.kind in WITH_BATCH

    @property
    def is_counted(self) -> bool:
        """Whether their odds depend on how often each item was chosen."""
        return self.kind in COUNTED

    @property
    def draws(self) -> bool:
        """Whether items are drawn, besides those that the batch holds."""
        return self.kind not in ("in-batch", "column")

    @classmethod
    def of(cls, given: Any) -> "Negatives | None":
        """What an argument `negatives` stands for: None, a kind, a config, or `Negatives`.

        Raises:
            ValueError: If there is no such kind, or a field is not allowed.
        """
        if given is None or isinstance(given, cls):
            return given
        fields = given if isinstance(given, Mapping) else {"kind": given}
        unknown = sorted(set(fields) - {field.name for field in dataclasses.fields(cls)})
        if unknown or fields.get("kind") not in get_args(Kind):
            raise ValueError(
                f"`negatives` must be one of {list(get_args(Kind))}, or a mapping of the fields of "
                f"`Negatives` with one of these as its `kind`, or None. Received: {given!r}"
            )
        return cls(**checked(cls, fields))

    def to_config(self) -> dict[str, Any]:
        """The fields that differ from their defaults, JSON-able."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            field.name: values[field.name]
            for field in dataclasses.fields(self)
            if values[field.name] != field.default
        }
