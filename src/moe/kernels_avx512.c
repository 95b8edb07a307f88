/* The kernels for AVX-512: sixteen floats a vector. */
#define LANES 16
#define TABLE ms_kernels_avx512
#define NAME "avx512"
#include "moe/kernels_body.inc"
