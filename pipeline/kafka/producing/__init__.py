"""To brokers: record batches, and transactions of two round trips where the brokers know how (KIP-890).

==============  =======================================================================================================
``producers``   one transactional producer for each owned partition, one for what belongs to no partition
``producer``    one producer: its identity, its sequence numbers, its transactions
``sending``     fills record batches, a column at a time
``wire``        the requests that the client library has not
==============  =======================================================================================================
"""
