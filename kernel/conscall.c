// The console as a resource: one account owns it, reads what is typed and writes. Called with the kernel lock
// held.
#include "kernel.h"

void console_input(void) {
    u32 n = console_interrupt();
    if (!n) return;
    words->input += n;
    poke_idle();
}

// At most EXO_CONS_MAX bytes, and none past the end of the page.
static struct ret move(va_t va, u64 n, bool read) {
    u64 most = EXO_PAGE - va % EXO_PAGE, i = 0;
    most = most < EXO_CONS_MAX ? most : EXO_CONS_MAX;
    n = n < most ? n : most;
    volatile u8 *user = user_object(va, n, 1, read);
    if (!user) return fail(E_ADDR);
    if (!owns(caller(), (u32)words->console)) return fail(E_OWNER);
    for (int c = 0; i < n && (!read || (c = console_getc()) >= 0); i++) {
        if (read)
            user[i] = (u8)c;
        else
            console_putc(user[i]);
    }
    return done(i);
}

struct ret do_cons_write(u64 va, u64 n, u64 a2, u64 a3, u64 a4) {
    return move(va, n, false);
}

struct ret do_cons_read(u64 va, u64 n, u64 a2, u64 a3, u64 a4) {
    return move(va, n, true);
}

struct ret do_cons_give(u64 account, u64 a1, u64 a2, u64 a3, u64 a4) {
    const struct exo_acct *to = acct_get(account);
    if (!to) return fail(E_ACCT);
    if (!owns(caller(), (u32)words->console)) return fail(E_OWNER);
    if (!kin(caller(), (u32)account)) return fail(E_KIN);
    if (to->state == ACCT_ENDING) return fail(E_STATE);
    words->console = account;
    return done(0);
}
