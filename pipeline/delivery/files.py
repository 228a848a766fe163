"""A file as destination: one CloudEvent a line."""

import asyncio
import os
from pathlib import Path

from pipeline.delivery.messages import Message
from pipeline.delivery.settings import File
from pipeline.errors import DeliveryError


class FileSender:
    """Appends each message; it is on the disk when ``send`` returns.

    Args:
        target: Which file.
    """

    def __init__(self, target: File) -> None:
        self._path = Path(target.path)

    async def send(self, message: Message) -> None:
        """One attempt.

        Raises:
            DeliveryError: If the file can't be written.
        """
        try:
            await asyncio.to_thread(self._append, message.cloudevent() + b"\n")
        except OSError as error:
            raise DeliveryError(f"{self._path}: {error.strerror}") from error

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab+") as file:
            if file.tell() and not _ends_line(file.fileno(), file.tell()):  # a process died in the middle of a line
                line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def _ends_line(descriptor: int, size: int) -> bool:
    return os.pread(descriptor, 1, size - 1) == b"\n"
