// Modes of open(), to be or-ed together. All but the last are xv6's.
#ifndef USER_KERNEL_FCNTL_H
#define USER_KERNEL_FCNTL_H

#define O_RDONLY 0x000
#define O_WRONLY 0x001
#define O_RDWR   0x002
#define O_CREATE 0x200
#define O_TRUNC  0x400
#define O_APPEND 0x800 // every write goes to the end of the file, wherever that is by then

#endif
