// How a process can have the buffer cache choose which block to forget when it needs room: cachepolicy(). The
// cache is one, shared by all.
#ifndef USER_KERNEL_CACHE_H
#define USER_KERNEL_CACHE_H

#define CACHE_LRU      0 // the one that has not been used for longest: what all begin with
#define CACHE_CLOCK    1 // nearly the same: one not used since the last look at it
#define CACHE_MRU      2 // the one used last: for who reads more than fits again and again
#define CACHE_POLICIES 3

#endif
