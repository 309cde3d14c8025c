"""Sharded: logs that are larger than memory, in shards by user on disk."""

from tfrec_zoo.data.sharded.checksum import unordered_checksum
from tfrec_zoo.data.sharded.prepare import prepare
from tfrec_zoo.data.sharded.sharded_examples import ShardedExamples
from tfrec_zoo.data.sharded.sharded_log import ShardedLog, is_sharded

__all__ = ["ShardedExamples", "ShardedLog", "is_sharded", "prepare", "unordered_checksum"]
