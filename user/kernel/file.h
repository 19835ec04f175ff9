// Major numbers for mknod(), the only part of xv6's header of this name that a program needs.
#ifndef USER_KERNEL_FILE_H
#define USER_KERNEL_FILE_H

#define CONSOLE 1
#define KEYS    2 // not in xv6: what is typed, as it is, without echo

#endif
