"""Records go to the partition that Kafka's own clients would choose."""

import numpy as np
import pytest
from aiokafka import partitioner as aiokafka
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.log.partitioner import murmur2, murmur2_column, partition_column

KAFKA_VECTORS = {  # org.apache.kafka.common.utils.UtilsTest.testMurmur2
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
KEYS = st.lists(st.binary(max_size=20) | st.binary(min_size=250, max_size=270), min_size=1, max_size=40)


@pytest.mark.parametrize(("key", "signed"), KAFKA_VECTORS.items())
def test_kafkas_own_vectors(key, signed):
    """The hash gives the values that Kafka's own test expects, alone and in a column."""
    assert murmur2(key) == signed % (1 << 32)
    assert np.asarray(murmur2_column([key] * 20)).view(np.int32).tolist() == [signed] * 20


@settings(deadline=None)
@given(KEYS)
def test_a_column_hashes_as_its_keys_do(keys):
    """Hashing a column equals hashing each key, whatever the mix of lengths, and equals another client's hash."""
    assert murmur2_column(keys).tolist() == [murmur2(key) for key in keys] == [aiokafka.murmur2(key) for key in keys]


@settings(deadline=None)
@given(st.lists(st.none() | st.binary(max_size=9), min_size=1, max_size=40), st.integers(1, 300))
def test_partitions_are_kafkas(keys, partitions):
    """Keyed records go where Kafka's default partitioner puts them, the others where the caller says."""
    keyless = partitions - 1
    expected = [keyless if key is None else (aiokafka.murmur2(key) & 0x7FFFFFFF) % partitions for key in keys]
    assert partition_column(keys, partitions, keyless).tolist() == expected
