// What mmap() is told (user/exv6.h).
#ifndef USER_KERNEL_MMAN_H
#define USER_KERNEL_MMAN_H

#define PROT_READ  1
#define PROT_WRITE 2

#define MAP_SHARED    1 // one of these two
#define MAP_PRIVATE   2
#define MAP_ANONYMOUS 0x20

#define NMAP 16 // mappings of a process, at most

#endif
