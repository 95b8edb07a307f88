#define LANES 4
#define TABLE ms_kernels_base
#define NAME "base"
#include "moe/kernels_body.inc"
