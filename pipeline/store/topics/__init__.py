"""What is kept of the topics of alerts, incidents, labels and refused records, and how it is asked for."""
