"""./dev peers [family] [options]: runs bench/peers/<family>.py with the options; assign, where none is named."""

import pathlib
import runpy
import sys

FOLDER = pathlib.Path(__file__).parent
FAMILIES = ("assign", "chains")

if __name__ == "__main__":
    family = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else "assign"
    if family not in FAMILIES:
        sys.exit(f"no peers of {family}; there are: {', '.join(FAMILIES)}")
    runpy.run_path(str(FOLDER / f"{family}.py"), run_name="__main__")
