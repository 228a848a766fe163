"""``streamgauge worker`` with a static identity: ``python -m tests.crash.kafka.launch INSTANCE ARGUMENT…``."""

import functools
import sys

from pipeline.cli.main import main
from pipeline.kafka.settings import KafkaSettings
from pipeline.worker import run

if __name__ == "__main__":
    instance = sys.argv.pop(1)
    run.open_log = functools.partial(run.open_log, kafka=KafkaSettings(instance=instance))
    sys.argv[0] = "streamgauge"
    main()
