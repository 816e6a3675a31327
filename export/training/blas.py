"""Chooses OpenBLAS kernels: times one product for a few core types in child processes and keeps the fastest that is right.

OpenBLAS's own choice can be several times slower on new processors. Prints one line for the shell: OPENBLAS_CORETYPE=NAME
"""

import os
import subprocess
import sys
import time

CORE_TYPES = ["Haswell", "Zen", "SkylakeX", "Cooperlake"]


def measure():
    """Prints the speed in GFLOP/s of a float32 product of the training's shape; fails when it differs from float64."""
    import numpy as np
    a = np.random.default_rng(0).standard_normal((1500, 256), dtype=np.float32)
    b = np.random.default_rng(1).standard_normal((256, 704), dtype=np.float32)
    assert np.abs(a @ b - a.astype(np.float64) @ b.astype(np.float64)).max() < 1e-3
    times = []
    for _ in range(30):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    print(2e-9 * 1500 * 256 * 704 / min(times))


def main():
    speeds = {}
    for core_type in CORE_TYPES:
        environment = {**os.environ, "OPENBLAS_CORETYPE": core_type, "OPENBLAS_NUM_THREADS": "1"}
        child = subprocess.run([sys.executable, __file__, "--measure"], env=environment, capture_output=True, text=True)
        if child.returncode == 0:                            # a core type that this processor lacks ends with a signal
            speeds[core_type] = float(child.stdout)
    for core_type, speed in speeds.items():
        print(f"{core_type}: {speed:.0f} GFLOP/s", file=sys.stderr)
    if speeds:
        print(f"OPENBLAS_CORETYPE={max(speeds, key=speeds.get)}")


if __name__ == "__main__":
    measure() if "--measure" in sys.argv else main()
