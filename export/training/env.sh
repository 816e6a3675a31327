# Sourced by train.sh in this folder: fast BLAS kernels, one thread a process, and an allocator that keeps large blocks.
export PYTHON=/usr/bin/python3
kernels=$("$PYTHON" blas.py)
[ -z "$kernels" ] || export "$kernels"
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=500000000
