"""Bytes of one record each to typed columns, and why a record was refused."""

from pipeline.codec.decoder import Decoder
from pipeline.codec.faults import MAX_DEPTH, Reason, Reject

__all__ = ["MAX_DEPTH", "Decoder", "Reason", "Reject"]
