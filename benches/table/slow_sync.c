/* Loaded into a process by LD_PRELOAD, makes each fsync and fdatasync wait SLOW_SYNC_US microseconds more, as
 * on a volume in the network. At the end it writes how many there were to the file SLOW_SYNC_COUNT. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_long count;

static int slowly(const char *name, int fd) {
    const char *wait = getenv("SLOW_SYNC_US");
    int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    usleep(wait ? (useconds_t)atol(wait) : 0);
    atomic_fetch_add(&count, 1);
    return sync(fd);
}

int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }

__attribute__((destructor)) static void tell(void) {
    const char *path = getenv("SLOW_SYNC_COUNT");
    FILE *file = path && count ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%ld\n", (long)count);
        fclose(file);
    }
}
