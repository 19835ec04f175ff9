// Integer names shared by every Unix program here. Exact sizes are for RV64 (and LP64 hosts, for the tests).
#ifndef USER_KERNEL_TYPES_H
#define USER_KERNEL_TYPES_H

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;

typedef unsigned char uint8;
typedef unsigned short uint16;
typedef unsigned int uint32;
typedef unsigned long uint64;

typedef uint64 pde_t;

#endif
