"""Runs a server until standard input closes.

The test run holds the other end of that pipe, and however it ends, the kernel closes it: a killed test
run leaves no server behind. Usage: supervise.py PROGRAM [ARGUMENT ...]
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1


def end_with_parent():
    # Should this supervisor itself be killed, the server goes with it. Linux has this, and only Linux.
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (AttributeError, OSError):
        pass


def main():
    server = subprocess.Popen(
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_parent,
    )

    def stop(number):
        try:
            os.killpg(server.pid, number)
        except ProcessLookupError:
            pass

    def wait_for_the_end():
        while os.read(0, 4096):
            pass
        stop(signal.SIGTERM)
        try:
            server.wait(2)
        except subprocess.TimeoutExpired:
            pass
        stop(signal.SIGKILL)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    code = server.wait()
    # Whatever it started in its group ends with it.
    stop(signal.SIGKILL)
    sys.exit(code if code >= 0 else 128 - code)


main()
