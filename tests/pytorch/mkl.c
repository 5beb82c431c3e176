/* PyTorch's MKL takes AVX2 kernels on CPUs that are not Intel's; blowup has it go by the instructions that the CPU has (crates/core/src/mkl.rs).
   Preloaded, this gives PyTorch the same answer, so that the two are compared on the same kernels. */
int mkl_serv_intel_cpu_true(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_is("intel") || __builtin_cpu_supports("avx512f");
}
