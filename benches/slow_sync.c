/* A disk whose every sync takes SLOW_SYNC_US microseconds longer: for benches/load, by LD_PRELOAD.
 *   cc -shared -fPIC -O2 -o slow_sync.so benches/slow_sync.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void slow(void) {
  const char *us = getenv("SLOW_SYNC_US");
  usleep(us ? (useconds_t)atoi(us) : 5000);
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
