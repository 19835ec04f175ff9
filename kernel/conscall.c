// The console as a resource: one account owns it, reads what is typed and writes. Called with the kernel lock held.
#include "console.h"
#include "kernel.h"

void console_input(void)
{
    u32 n = console_interrupt();
    if (!n)
        return;
    words->input += n;
    poke_idle();
}

// As much of [va, va + n) as one call moves.
static u64 clip(va_t va, u64 n)
{
    u64 page_end = EXO_PAGE - va % EXO_PAGE;
    n = n < page_end ? n : page_end;
    return n < EXO_CONS_MAX ? n : EXO_CONS_MAX;
}

struct ret do_cons_write(u64 va, u64 n, u64 a2, u64 a3, u64 a4)
{
    (void)a2, (void)a3, (void)a4;
    n = clip(va, n);
    const volatile u8 *from = user_object(va, n, 1, false);
    if (!from)
        return fail(E_ADDR);
    if (!owns(caller(), (u32)words->console))
        return fail(E_OWNER);
    for (u64 i = 0; i < n; i++)
        console_putc(from[i]);
    return done(n);
}

struct ret do_cons_read(u64 va, u64 n, u64 a2, u64 a3, u64 a4)
{
    (void)a2, (void)a3, (void)a4;
    n = clip(va, n);
    volatile u8 *to = user_object(va, n, 1, true);
    if (!to)
        return fail(E_ADDR);
    if (!owns(caller(), (u32)words->console))
        return fail(E_OWNER);
    u64 i = 0;
    for (int c; i < n && (c = console_getc()) >= 0; i++)
        to[i] = (u8)c;
    return done(i);
}

struct ret do_cons_give(u64 account, u64 a1, u64 a2, u64 a3, u64 a4)
{
    (void)a1, (void)a2, (void)a3, (void)a4;
    const struct exo_acct *to = acct_get(account);
    if (!to)
        return fail(E_ACCT);
    if (!owns(caller(), (u32)words->console))
        return fail(E_OWNER);
    if (!kin(caller(), (u32)account))
        return fail(E_KIN);
    if (to->state == ACCT_ENDING)
        return fail(E_STATE);
    words->console = account;
    return done(0);
}
