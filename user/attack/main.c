// Lab attack: runs the exploit that its line of the manifest names, gives the victim time to feel it, and
// ends the machine. What has become of it is for the grader to see.
#include "attack/attack.h"
#include "nap.h"

#define LOOT  512
#define AFTER 30 // ms
#define UA2   0x3fffffe000

static volatile u64 kept[LOOT]; // nobody here reads it
static u32 nkept;
static char stack2[EXO_PAGE] __attribute__((aligned(16)));

// An exploit that is stopped by a fault has failed, and that is all.
void rt_fault(struct exo_uarea *ua) {
    print("attack: fault %lu at %lx, pc %lx\n", ua->fault.cause, ua->fault.tval, ua->fault.epc);
    rt_power_off(0);
}

void loot(u64 word) {
    if (nkept < LOOT) kept[nkept++] = word;
}

ppn_t own_root(void) { return EXO_ENVS[self() & EXO_EID_INDEX].root; }

ppn_t victim_page(u64 tag) {
    for (ppn_t i = 0; i < EXO_WORDS->npages; i++) {
        const volatile struct exo_page *p = &EXO_PAGES[i];
        if (p->account == VICTIM && p->type == PAGE_DATA && p->tag == tag) return EXO_PPN_BASE + i;
    }
    return 0;
}

eid_t victim_env(void) {
    for (u32 i = 0; i < EXO_NENV; i++)
        if (EXO_ENVS[i].eid && EXO_ENVS[i].account == VICTIM) return EXO_ENVS[i].eid;
    return 0;
}

u32 extent_named(const char *name) {
    for (u32 i = 0; i < EXO_WORDS->nexts; i++) {
        u32 n = 0;
        while (name[n] && EXO_EXTS[i].name[n] == (u8)name[n]) n++;
        if (EXO_EXTS[i].count && !name[n] && !EXO_EXTS[i].name[n]) return i;
    }
    return EXO_NEXT;
}

i64 disk_block(u64 op, u32 extent, u64 block, ppn_t page, cap_t cap) {
    ppn_t ppns[1] __attribute__((aligned(8))) = {page};
    struct exo_ret request = exo_disk_submit(op, 1, extent, block, ppns, cap), done;
    if (request.err) return request.err;
    while ((done = exo_disk_done(request.val)).err == E_BUSY) nap(1);
    return done.err ? done.err : (i64)done.val;
}

eid_t run_on(u32 hart, void (*fn)(u64), u64 arg) {
    struct exo_uarea *ua = (struct exo_uarea *)UA2;
    struct exo_ret page = exo_page_alloc(0, 0);
    if (page.err || rt_map(own_root(), UA2, (ppn_t)page.val, PTE_R | PTE_W)) return 0;
    rt_env_init(ua, fn, arg, (va_t)stack2 + sizeof stack2);
    memcpy(&rt_of(ua)->first, &rt()->first, sizeof rt()->first);
    exo_unbind(own_root(), UA2, 0);
    struct exo_ret env = exo_env_new(hart, own_root(), page.val, UA2);
    if (env.err || rt_map(own_root(), UA2, (ppn_t)page.val, PTE_R | PTE_W)) return 0;
    rt_of(ua)->first.eid = (eid_t)env.val;
    for (u32 slot = 0; slot < EXO_NSLOT; slot++) {
        const volatile struct exo_slot *s = &EXO_SLOTS[hart * EXO_NSLOT + slot];
        if (s->account != ATTACKER || s->eid) continue;
        return exo_slot_set(hart, slot, env.val) || exo_env_ctl(env.val, ENV_RUN) ? 0 : (eid_t)env.val;
    }
    return 0;
}

void nap(u64 ms) { nap_at(PLACE(9), ms); }

static const struct {
    const char *name;
    void (*run)(void);
} attacks[] = {
    {"zero", attack_zero},           {"cap", attack_cap},     {"protect", attack_protect},
    {"table", attack_table},         {"owner", attack_owner}, {"extent", attack_extent},
    {"reserve", attack_reserve},     {"uarea", attack_uarea}, {"fp", attack_fp},
    {"predicate", attack_predicate}, {"tlb", attack_tlb},
};

int main(void);
int main(void) {
    first_self(&rt()->first);
    do nap(1); // once at least: then it needs no page any more
    while (!victim_page(NOTICE));
    for (u32 i = 0; i < sizeof attacks / sizeof *attacks; i++)
        if (str_eq(attacks[i].name, rt()->first.args)) attacks[i].run();
    nap(AFTER);
    rt_power_off(0);
    return 1;
}
