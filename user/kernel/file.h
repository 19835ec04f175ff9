// Major numbers for mknod(), the only part of xv6's header of this name that a program needs.
#ifndef USER_KERNEL_FILE_H
#define USER_KERNEL_FILE_H

#define CONSOLE 1

#endif
