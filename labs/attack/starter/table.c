// A page table that user code writes to. The hole is labs/attack/kernels/table.diff. What to write, in order:
//
//     1. find the level-0 table that holds the entry of some PLACE: a root and a level-1 table can be bound
//     to read
//     2. bind it where you can write to it
//     3. write the entry that the kernel would have refused to bind; read through it; loot()
#include "attack/attack.h"

void attack_table(void) { print("attack_table: not written yet\n"); }
