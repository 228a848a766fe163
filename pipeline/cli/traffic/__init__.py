"""Records in and out on the command line: produce, consume, load, replay."""
