/*===- FailingCalls.c - Files that fail at a chosen call ----------*- C -*-===*\
|*                                                                            *|
|* Part of the ampc project, under the Apache License v2.0 with LLVM          *|
|* Exceptions. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception        *|
|*                                                                            *|
|*===----------------------------------------------------------------------===*|
|*                                                                            *|
|* Preloaded into a program, it counts the calls that change files: opening a *|
|* file to write, write, pwrite, ftruncate, fsync and rename. Pipes and       *|
|* devices do not count.                                                      *|
|*                                                                            *|
|*   AMPC_CALLS_LOG=FILE    a line for each: its name and the file            *|
|*   AMPC_CALLS_FAIL=N      the N-th fails, with AMPC_CALLS_ERRNO (ENOSPC)    *|
|*   AMPC_CALLS_FROM=N      so does each from the N-th on                     *|
|*   AMPC_CALLS_KILL=N      the process is killed before the N-th             *|
|*   AMPC_CALLS_SHORT=1     writes take one byte, and each second is          *|
|*                          interrupted (EINTR)                               *|
|*   AMPC_CALLS_LOCK_LATE=N locks are asked for N milliseconds late           *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long calls, writes;

static long number(const char *variable) {
  const char *text = getenv(variable);
  return text ? strtol(text, NULL, 10) : 0;
}

/* 1 where the call is to fail, with errno set. */
static int count(const char *call, const char *file) {
  long n = atomic_fetch_add(&calls, 1) + 1;
  const char *log = getenv("AMPC_CALLS_LOG");
  if (log) {
    char line[8192];
    int length = snprintf(line, sizeof line, "%s %s\n", call, file);
    int fd =
        (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    syscall(SYS_write, fd, line, (size_t)length);
    syscall(SYS_close, fd);
  }
  if (n == number("AMPC_CALLS_KILL"))
    kill(getpid(), SIGKILL);
  long from = number("AMPC_CALLS_FROM");
  if (n != number("AMPC_CALLS_FAIL") && !(from && n >= from))
    return 0;
  errno = getenv("AMPC_CALLS_ERRNO") ? (int)number("AMPC_CALLS_ERRNO") : ENOSPC;
  return 1;
}

/* The regular file or folder behind `fd`; NULL for anything else. */
static const char *nameOf(int fd, char name[4096]) {
  struct stat status;
  if (fstat(fd, &status) != 0 || !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)))
    return NULL;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, name, 4095);
  name[length < 0 ? 0 : length] = 0;
  return name;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int failsOn(const char *call, int fd) {
  char name[4096];
  int saved = errno;
  const char *file = nameOf(fd, name);
  errno = saved;
  return file && count(call, file);
}

/* How much of `size` bytes is written; -1 for none, with errno set. */
static ssize_t shorten(int fd, size_t size) {
  char name[4096];
  if (size == 0 || !number("AMPC_CALLS_SHORT") || !nameOf(fd, name))
    return (ssize_t)size;
  if (atomic_fetch_add(&writes, 1) % 2) {
    errno = EINTR;
    return -1;
  }
  return 1;
}

ssize_t write(int fd, const void *data, size_t size) {
  if (failsOn("write", fd))
    return -1;
  ssize_t taken = shorten(fd, size);
  return taken < 0 ? -1 : REAL(write)(fd, data, (size_t)taken);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
  if (failsOn("write", fd))
    return -1;
  ssize_t taken = shorten(fd, size);
  return taken < 0 ? -1 : REAL(pwrite)(fd, data, (size_t)taken, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
  return pwrite(fd, data, size, offset);
}

int flock(int fd, int operation) {
  usleep((useconds_t)number("AMPC_CALLS_LOCK_LATE") * 1000);
  return REAL(flock)(fd, operation);
}

int fsync(int fd) { return failsOn("fsync", fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return failsOn("fsync", fd) ? -1 : REAL(fdatasync)(fd); }
int ftruncate(int fd, off_t size) {
  return failsOn("ftruncate", fd) ? -1 : REAL(ftruncate)(fd, size);
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int rename(const char *from, const char *to) {
  return count("rename", to) ? -1 : REAL(rename)(from, to);
}

static int opensToWrite(const char *path, int flags) {
  struct stat status;
  if ((flags & O_ACCMODE) == O_RDONLY)
    return 0;
  return stat(path, &status) != 0 || S_ISREG(status.st_mode);
}

int open(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
  va_end(list);
  if (opensToWrite(path, flags) && count("open", path))
    return -1;
  return REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
  va_end(list);
  return open(path, flags | O_LARGEFILE, mode);
}

int mkostemp(char *pattern, int flags) {
  return count("open", pattern) ? -1 : REAL(mkostemp)(pattern, flags);
}
int mkostemp64(char *pattern, int flags) { return mkostemp(pattern, flags); }
