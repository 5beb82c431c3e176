/* A driver that says what a test wants to hear: FAKE_CUDA_VERSION, FAKE_CUDA_INIT (what cuInit returns), FAKE_CUDA_GPUS. */
#include <stdlib.h>
#include <string.h>

static int number(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

int cuInit(unsigned flags) { return (void)flags, number("FAKE_CUDA_INIT", 0); }
int cuDriverGetVersion(int *version) { return *version = number("FAKE_CUDA_VERSION", 13000), 0; }
int cuDeviceGetCount(int *count) { return *count = number("FAKE_CUDA_GPUS", 1), 0; }
int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, 0; }
int cuDeviceGetName(char *name, int length, int device) { return (void)device, strncpy(name, "Fake GPU", length), 0; }
