// What fstat() and stat() tell of a file, directory or device.
#ifndef USER_KERNEL_STAT_H
#define USER_KERNEL_STAT_H

#include "types.h"

#define T_DIR    1
#define T_FILE   2
#define T_DEVICE 3

struct stat {
    int dev;     // disk that holds it
    uint ino;    // inode number on that disk
    short type;  // T_DIR, T_FILE or T_DEVICE
    short nlink; // names it has in directories
    uint64 size; // bytes
};

#endif
