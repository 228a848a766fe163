"""To brokers: record batches, and transactions of two round trips where the brokers know how (KIP-890).

==============  =======================================================================================================
``producers``   one transactional producer for each owned partition, one for what belongs to no partition
``producer``    one producer: its identity, its sequence numbers, its transactions
``sending``     from columns of records to record batches
``batch``       one record batch, as it goes over the wire
``wire``        the requests that the client library has not
==============  =======================================================================================================
"""
