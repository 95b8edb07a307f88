#define LANES 16
#define TABLE ms_kernels_avx512
#define NAME "avx512"
#include "moe/kernels_body.inc"
