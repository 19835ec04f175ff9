// A secure binding, made and refused (SOSP95, Secure Bindings): authorised once, at the call; used without
// the kernel.
#include "demo.h"

#define OTHERS 1 // account

static ppn_t others_page(void) {
    for (ppn_t i = 0; i < EXO_WORDS->npages; i++)
        if (EXO_PAGES[i].account == OTHERS && EXO_PAGES[i].type == PAGE_DATA) return EXO_PPN_BASE + i;
    return 0;
}

void demo_bind(void) {
    ppn_t root = own_root(), page = new_page(), other = others_page(), table = arena_table();
    volatile u64 *word = (volatile u64 *)ARENA;
    print("@ page %x\n", page);
    step("I ask for a page. The kernel says which one I have: %x. Names are physical.", page);

    rt_map(root, ARENA, page, PTE_RW);
    step("I bind it at 50000000. The check is made now, once: the page is mine, and so is the page table.");

    u64 before = cycles();
    for (u64 i = 0; i < 100; i++) word[i] = i;
    u64 each = (cycles() - before) / 100;
    step("100 stores: %lu instructions each, no kernel call. From here on the hardware checks.", each);

    print("@ page %x\n", other);
    exo_bind(root, ARENA + EXO_PAGE, other, PTE_R, 0);
    step("Page %x is account 1's. I show no capability for it, so there is no binding.", other);

    print("@ page %x\n", table);
    exo_bind(root, ARENA + EXO_PAGE, table, PTE_RW, 0);
    step("My own page table, %x, to write into: refused, or I could bind anything.", table);

    exo_bind(root, ARENA + EXO_PAGE, table, PTE_R, 0);
    u64 pte = *(volatile u64 *)(ARENA + EXO_PAGE + ARENA / EXO_PAGE % 512 * 8);
    step("To read it is allowed. My entry is %lx: page %x, and bits that the hardware has set since.", pte,
         PTE_PPN(pte));

    exo_pt_link(root, ARENA + 0x200000, 0, other);
    step("Account 1's page as a table of mine? Also refused: each check has an error of its own.");

    exo_unbind(root, ARENA, 0);
    exo_page_free(page);
    print("@ page %x\n", page);
    step("Unbound and free. The next owner finds it zeroed, and my old address leads nowhere.");
}
