"""Worker processes that end with their driver, however that ends."""

import os
import signal
import threading
from multiprocessing.connection import Connection

__all__ = ["end_with_driver"]


def end_with_driver(driver: Connection) -> None:
    """Make this process end at once when the other end of a pipe is closed, as it is when its holder dies.

    And leave Ctrl-C, which a terminal sends to both, to the driver.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(driver,), daemon=True, name="watching the driver").start()


def _end_with(driver: Connection) -> None:
    try:
        driver.recv_bytes()  # nothing is ever sent
    except (EOFError, OSError):
        # Without clean-up: a trial may run for minutes, and nothing here needs it, as files are written whole or not at all.
        os._exit(1)
