"""Run every benchmark of this folder, or the one named, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

from vpp import threads

HERE = Path(__file__).parent
WITH = {"field": ("shed", "cycle500")}
"""What runs after the benchmark that was named, in a file of its own."""


def main(names: list[str]) -> int:
    """Return 0 when all ran, 2 for an unknown name, 1 when one failed."""
    known = sorted(p.stem for p in HERE.glob("*.py") if p.stem != "all")
    unknown = [n for n in names if n not in known]
    if unknown:
        print(f"no benchmark named {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    threads.one_each()
    codes = []
    asked = [part for name in names for part in (name, *WITH.get(name, ()))]
    for name in asked or known:
        print(f"== {name}", flush=True)
        codes.append(subprocess.run([sys.executable, str(HERE / f"{name}.py")], check=False).returncode)
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
