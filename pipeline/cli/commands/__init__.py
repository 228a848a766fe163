"""The commands of ``streamgauge``, one file each."""
