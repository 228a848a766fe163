"""Units of ownership, one for each partition that a worker owns: opened, restored, fed, committed, ended."""
