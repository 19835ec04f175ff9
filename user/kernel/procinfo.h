// What procinfo() tells of a process.
#ifndef USER_KERNEL_PROCINFO_H
#define USER_KERNEL_PROCINFO_H

#include "types.h"

struct procinfo {
    int pid;
    int parent; // 0: none
    int group;
    int ended;    // its parent has not waited for it yet
    uint eid;     // of its environment: the kernel's records tell the rest
    uint pages;   // of its program: text, data, heap and stack, whether they are there yet or not
    uint private; // that it costs beyond those, at most: tables, u-area, the libOS's own
    char name[16];
};

#endif
