"""From brokers: fetch requests of our own, and record batches taken apart below the client's record objects.

=============  ========================================================================================================
``fetching``   one request to each broker, for all partitions that it leads
``batches``    a chunk from record batches: aborted transactions, markers, gaps, compression, old formats
``splitting``  the records of a batch, by compiled code (``compiled``) or by the library
``reading``    large responses, joined once
=============  ========================================================================================================
"""
