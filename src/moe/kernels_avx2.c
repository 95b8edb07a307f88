/* The kernels for AVX2 with FMA: eight floats a vector. */
#define LANES 8
#define TABLE ms_kernels_avx2
#define NAME "avx2"
#include "moe/kernels_body.inc"
