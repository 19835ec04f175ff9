// Wakeup predicates: small programs of user code that the kernel runs to see whether a waiting environment
// wants its slot. Checked once, in the page they lie in, which nobody can write until code_drop: so what runs
// is what was checked, ends within EXO_NPRED steps (branches go forward), and reads only the word page and
// pages of its own account, which stay pinned for as long. SOSP95, Downloading Code.
#include "kernel.h"

enum { REGS = 8 };

static bool code_ok(const struct pred_code *code) {
    u32 n = code->n;
    if (n < 1 || n > EXO_NPRED || code->npages > 3) return false;
    for (u32 i = 0; i < n; i++) {
        const struct pred_insn *in = &code->insn[i];
        if (in->op >= PRED_OPS || in->d >= REGS || in->a >= REGS || in->b >= REGS) return false;
        if (in->op == PRED_LD && in->a > code->npages) return false;
        if (in->op >= PRED_BEQ && in->op <= PRED_BGEU && (in->imm < 1 || (u32)in->imm >= n - 1 - i))
            return false;
    }
    return code->insn[n - 1].op == PRED_RET;
}

struct ret do_code_load(u64 ppn, u64 a1, u64 a2, u64 a3, u64 a4) {
    struct exo_page *p = page_get(ppn);
    if (!p) return fail(E_PPN);
    if (!owns(caller(), p->account)) return fail(E_OWNER);
    if (p->type != PAGE_DATA) return fail(E_TYPE);
    if (p->binds) return fail(E_BOUND);
    if (p->pins) return fail(E_PINNED);
    const struct pred_code *code = ppn_to_va((ppn_t)ppn);
    if (!code_ok(code)) return fail(E_CODE);
    enum exo_error error = pins_error(&code->page[1], code->npages, p->account, !page_fixed(p));
    if (error) return fail(error);

    for (u32 i = 1; i <= code->npages; i++) page_pin(page_get(code->page[i]));
    page_settype(p, PAGE_CODE);
    return done(0);
}

void code_release(struct exo_page *p) {
    const struct pred_code *code = ppn_to_va(page_ppn(p));
    for (u32 i = 1; i <= code->npages; i++) page_unpin(page_get(code->page[i]));
}

// A wait begins under the lock. It ends without, at home, once the predicate has been looked at: so until
// this says no, the code may be running there.
static bool waited_for(ppn_t code) {
    for (u32 i = 0; i < EXO_NENV; i++)
        if (envs[i].eid && __atomic_load_n(&envs[i].state, __ATOMIC_ACQUIRE) & ENV_WAITING &&
            envs[i].code == code)
            return true;
    return false;
}

struct ret do_code_drop(u64 ppn, u64 a1, u64 a2, u64 a3, u64 a4) {
    struct exo_page *p = page_get(ppn);
    if (!p) return fail(E_PPN);
    if (!owns(caller(), p->account)) return fail(E_OWNER);
    if (p->type != PAGE_CODE) return fail(E_TYPE);
    if (p->binds) return fail(E_BOUND);
    if (waited_for((ppn_t)ppn)) return fail(E_BUSY);

    code_release(p);
    page_settype(p, PAGE_DATA);
    return done(0);
}

static u64 load(const struct pred_code *code, u32 page, u64 offset) {
    const u8 *base = page ? ppn_to_va(code->page[page]) : (const u8 *)words;
    return *(const volatile u64 *)(base + (offset & 0xff8));
}

bool predicate_true(ppn_t ppn, const u64 w[3], u64 now) {
    const struct pred_code *code = ppn_to_va(ppn);
    u64 r[REGS] = {0, w[0], w[1], w[2], now};
    for (const struct pred_insn *in = code->insn;; in++) {
        u64 a = r[in->a], b = r[in->b], imm = (u64)(i64)in->imm;
        switch (in->op) {
        case PRED_LI: r[in->d] = imm; break;
        case PRED_LD: r[in->d] = load(code, in->a, b + imm); break;
        case PRED_ADD: r[in->d] = a + b; break;
        case PRED_SUB: r[in->d] = a - b; break;
        case PRED_AND: r[in->d] = a & b; break;
        case PRED_OR: r[in->d] = a | b; break;
        case PRED_BEQ: in += a == b ? imm : 0; break;
        case PRED_BNE: in += a != b ? imm : 0; break;
        case PRED_BLTU: in += a < b ? imm : 0; break;
        case PRED_BGEU: in += a >= b ? imm : 0; break;
        default: return a != 0; // PRED_RET
        }
    }
}
