"""A web view or a worker of the payments example in a process of its own.

Usage: ``python -m tests.pipeline.web.process web|worker URL``.
"""

import sys

from pipeline.web import serve
from pipeline.worker import run_worker
from tests.pipeline.web.filled import example


def main(what, url):
    if what == "worker":
        return run_worker(example(url))
    serve(example(url), "127.0.0.1", 0)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
