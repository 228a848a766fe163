"""Delivery: alerts and notices brought to webhooks, chats, mailboxes and files, at least once."""

from pipeline.delivery.settings import DeliverySettings, Destination, Email, File, Route, Slack, Target, Webhook

__all__ = ["DeliverySettings", "Destination", "Email", "File", "Route", "Slack", "Target", "Webhook"]
