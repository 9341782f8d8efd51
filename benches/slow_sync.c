/* A disk whose every sync takes some microseconds longer: as many as the file SLOW_SYNC_FILE says at that moment, or
 * else SLOW_SYNC_US. By LD_PRELOAD, for benches/load and for the test of a slow disk.
 *   cc -shared -fPIC -O2 -o slow_sync.so benches/slow_sync.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void slow(void) {
  const char *path = getenv("SLOW_SYNC_FILE"), *us = getenv("SLOW_SYNC_US");
  unsigned long wait = us ? strtoul(us, NULL, 10) : 0;
  FILE *file = path ? fopen(path, "r") : NULL;
  if (file) {
    if (fscanf(file, "%lu", &wait) != 1) wait = 0;
    fclose(file);
  }
  if (wait) usleep((useconds_t)wait);
}

int fsync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  slow();
  return real(fd);
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  slow();
  return real(fd);
}
