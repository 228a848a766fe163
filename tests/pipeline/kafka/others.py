"""Producers and consumers of others, as their users write them."""

import uuid

import confluent_kafka
from kafka import KafkaConsumer, KafkaProducer

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PATIENCE_S = 30


def produce_by_kafka_python(servers, topic, records, codec):
    """Its own partitioner, batches compressed by ``codec``."""
    producer = KafkaProducer(
        bootstrap_servers=servers, compression_type=None if codec == "none" else codec, linger_ms=50
    )
    try:
        sent = [producer.send(topic, key=key, value=value) for key, value in records]
        producer.flush(PATIENCE_S)
        assert all(each.succeeded() for each in sent)
    finally:
        producer.close()


def produce_by_confluent(servers, topic, records, codec):
    """Its own partitioner, which is another one than Java's, batches compressed by ``codec``."""
    producer = confluent_kafka.Producer({"bootstrap.servers": servers, "compression.type": codec, "linger.ms": 50})
    failed = []
    for key, value in records:
        producer.produce(topic, key=key, value=value, on_delivery=lambda error, _: failed.append(error))
    assert producer.flush(PATIENCE_S) == 0
    assert not any(failed)


PRODUCERS = {"kafka-python": produce_by_kafka_python, "confluent-kafka": produce_by_confluent}


def consume_by_kafka_python(servers, topic, n):
    """The first ``n`` committed records as (value, headers)."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=f"kafka-python-{uuid.uuid4().hex}",
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        found = []
        while len(found) < n:
            polled = consumer.poll(PATIENCE_S * 1_000)
            assert polled, f"only {len(found)} records came"
            found += [(record.value, dict(record.headers)) for records in polled.values() for record in records]
        return found
    finally:
        consumer.close()


def consume_by_confluent(servers, topic, n):
    """The first ``n`` committed records as (value, headers)."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"confluent-{uuid.uuid4().hex}",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    try:
        consumer.subscribe([topic])
        found = []
        while len(found) < n:
            record = consumer.poll(PATIENCE_S)
            assert record is not None, f"only {len(found)} records came"
            assert record.error() is None
            found.append((record.value(), dict(record.headers() or ())))
        return found
    finally:
        consumer.close()


CONSUMERS = {"kafka-python": consume_by_kafka_python, "confluent-kafka": consume_by_confluent}
