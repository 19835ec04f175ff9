// Lab attack: what its exploits (user/attack/NAME.c, one function each) may use, and whom they are about.
//
// Two libOSes run side by side, which user/first.c has started as it starts any: the victim (user/victim.c,
// account 2) and the attacker, account 3, whose image the exploits are. All that the victim does is allowed,
// and so is all that the attacker can do under a sound kernel: which is nothing. The kernels of
// labs/attack/kernels/ have one hole each.
//
// The victim owns an extent, `secret`, that nobody else can read. Its first block lies in a page of the
// victim's that has the tag SECRET, unless the victim's mode says otherwise; the first word of it is the
// secret. A page with the tag NOTICE shows the second block to all who come with the capability PUBLIC: to
// read, not to write.
#ifndef USER_ATTACK_H
#define USER_ATTACK_H

#include "../rt/rt.h"

#define VICTIM   2 // accounts
#define ATTACKER 3
#define PUBLIC   ((cap_t)1)
#define SECRET   0x5ec2e7 // tags
#define NOTICE   0x2071ce

// Places where the attacker can bind a page: their table is linked. PLACE(9) is main.c's.
#define PLACE(i) ((va_t)&image + 0x100000 + (va_t)(i)*EXO_PAGE)

#ifndef VICTIM_IMAGE
// The exploits. Each returns when it is through, or has failed.
void attack_zero(void);
void attack_cap(void);
void attack_protect(void);
void attack_table(void);
void attack_owner(void);
void attack_extent(void);
void attack_reserve(void);
void attack_uarea(void);
void attack_fp(void);
void attack_predicate(void);
void attack_tlb(void);

// main.c
void loot(u64 word);        // keeps it in memory of the attacker's, where the grader looks for the secret
ppn_t own_root(void);       // of the attacker's address space
ppn_t victim_page(u64 tag); // the victim's page with that tag; 0: there is none
eid_t victim_env(void);     // 0: there is none
u32 extent_named(
    const char *name); // "mine" is the attacker's, "secret" the victim's; EXO_NEXT: there is none
i64 disk_block(u64 op, u32 extent, u64 block, ppn_t page,
               cap_t cap);                        // DISK_READ or DISK_WRITE of one, to its end
eid_t run_on(u32 hart, void (*fn)(u64), u64 arg); // one more environment in this address space; 0: refused
void nap(u64 ms);                                 // for so long somebody else has the machine
#endif

#endif
