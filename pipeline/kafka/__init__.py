"""``kafka://HOST:PORT,…``: the event log on Apache Kafka 3.9 and 4.x: groups, transactions, compacted topics.

==================  ===========================================================================================
``log``             ``KafkaLog``, what ``pipeline.log.api`` describes, on top of the others
``settings``        how to connect and how topics are made
``connection``      clients; what their errors mean
``consuming``       chunks from brokers, below the client's record objects
``producing``       record batches and transactions: a producer for each owned partition
``membership``      the group, kept by Kafka's coordinator
``topics``          making, checking and describing topics
``groups``          who is in a group and where it stands
==================  ===========================================================================================
"""
