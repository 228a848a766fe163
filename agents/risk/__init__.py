"""The risk of each payment: features, labels, a model that learns, reasons."""
