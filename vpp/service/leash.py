"""Start a process that ends with its parent: `leash.py PARENT_PID ARGUMENT...`, run as a script.

On Linux the kernel sends SIGTERM when the parent dies (prctl(2), PR_SET_PDEATHSIG = 1, kept over
execve), so that even kill -9 of the supervisor leaves no orphan. The check of the parent's id closes
the gap between fork and prctl. Elsewhere the process starts without a leash.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent = int(sys.argv[1])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == parent:
        os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
