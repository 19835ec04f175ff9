// The part of the file system that programs see: what reading a directory yields, and the sizes involved.
// How it lies on the disk is no business of theirs and stands elsewhere (libos/fsformat.h).
#ifndef USER_KERNEL_FS_H
#define USER_KERNEL_FS_H

#include "types.h"

#define ROOTINO 1    // inode number of /
#define BSIZE   4096 // bytes a block
#define DIRSIZ  14   // bytes of a name; one of full length has no final 0

// Blocks that a file of xv6 can have, through its direct and its indirect ones, and that programs written for
// it count on. Files here may be far larger.
#define NDIRECT   12
#define NINDIRECT 256
#define MAXFILE   (NDIRECT + NINDIRECT)

// A directory is a file of these. inum 0 marks an entry that is not in use.
struct dirent {
    ushort inum;
    char name[DIRSIZ];
};

#endif
