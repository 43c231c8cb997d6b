"""What the comparisons of all families share: the shim, the commit, the file of results."""

import ctypes
import datetime
import json
import os
import pathlib
import subprocess


def commit():
    """The commit measured, with -dirty where files differ from it; a copy of the tree may have no git."""
    try:
        return subprocess.check_output(["git", "describe", "--always", "--dirty"], text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def has_gpu():
    try:
        return subprocess.run(["nvidia-smi", "-L"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


class Shim:
    """libcuebm_peers.so: call("x", ...) is cuebm_peers_x(...), and raises what it reports."""

    def __init__(self, library):
        self.loaded = ctypes.CDLL(os.path.abspath(library))
        self.version = self.text("version")

    def text(self, function, *arguments):
        found = getattr(self.loaded, f"cuebm_peers_{function}")
        found.restype = ctypes.c_char_p
        return found(*arguments).decode()

    def call(self, function, *arguments):
        if getattr(self.loaded, f"cuebm_peers_{function}")(*arguments) != 0:
            raise RuntimeError(self.text("error"))

    def limits(self, function, session, runs):
        """The processor and what it can do, the best of so many runs."""
        figures, processor = (ctypes.c_double * 7)(), ctypes.c_char_p()
        self.call(function, session, ctypes.c_int(runs), figures, ctypes.byref(processor))
        names = ("fp32_gflops", "bf16_gflops", "int8_gops", "amx_bf16_gflops", "amx_int8_gops", "copy_gbytes",
                 "read_gbytes")
        return processor.value.decode(), {name: round(value * 1e-9, 1) or None for name, value in zip(names, figures)}


def write(results, family, folder):
    when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    path = pathlib.Path(folder) / f"peers-{family}-{when}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(f"written: {path}")
