/* The kernels for any CPU: four floats a vector, whatever the compiler makes of them. */
#define LANES 4
#define TABLE ms_kernels_base
#define NAME "base"
#include "moe/kernels_body.inc"
