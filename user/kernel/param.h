// Limits of the Unix library OS that programs and their tests rely on. Changing one changes no stored format.
#ifndef USER_KERNEL_PARAM_H
#define USER_KERNEL_PARAM_H

#define NPROC       64                // processes at one time
#define NCPU        8                 // harts
#define NOFILE      16                // open files of one process
#define NFILE       100               // open files of all
#define NINODE      50                // files in use at one time
#define NDEV        10                // largest major device number, plus one
#define ROOTDEV     1                 // st.dev of files on the root file system
#define MAXARG      32                // words of an argument vector, its final 0 included
#define MAXPATH     128               // bytes of a path name, its final 0 included
#define MAXOPBLOCKS 10                // blocks that one file system operation may change
#define LOGSIZE     (MAXOPBLOCKS * 3) // data blocks in the log
#define NBUF        (MAXOPBLOCKS * 3) // least number of cached blocks
#define FSSIZE      2000              // blocks of a small file system

#endif
