"""What readers see: tables, alerts, lag and topics, followed in the log and never asked of a worker (CQRS)."""
