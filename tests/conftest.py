"""What every test starts from."""

import os

# One thread an operation: tests run beside each other, and small networks gain nothing from more.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
