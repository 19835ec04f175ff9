// Capability values, and the calls that belong to no resource.
#include "kernel.h"

// SipHash-2-4 (Aumasson, Bernstein 2012) of a counter, under a key that the host drew: nobody can tell a
// value that was not given to them, and none comes twice.
static u64 boot_key[2], counter;

static u64 rotate(u64 v, u32 n) { return v << n | v >> (64 - n); }

static void sip_round(u64 v[4]) {
    v[0] += v[1], v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

// Of n whole words.
static u64 siphash(const u64 key[2], const u64 *words_in, u64 n) {
    u64 v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                key[1] ^ 0x7465646279746573};
    for (u64 i = 0; i <= n; i++) {
        u64 m = i < n ? words_in[i] : n * 8 << 56; // the last has the length alone
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    for (u32 i = 0; i < 4; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void misc_init(const u8 *seed, u32 size) {
    for (u32 i = 0; i < size && i < sizeof(boot_key); i++) boot_key[i / 8] |= (u64)seed[i] << i % 8 * 8;
    if (size < sizeof(boot_key)) kprintf("no random seed from the host: capabilities can be guessed\n");
}

struct ret do_cap_new(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4) {
    cap_t cap;
    do {
        cap = siphash(boot_key, &counter, 1);
        counter++;
    } while (!cap);
    return done(cap);
}

// The record is the one that every call leaves.
struct ret do_mark(u64 a, u64 b, u64 a2, u64 a3, u64 a4) {
    return done(0);
}

struct ret do_halt(u64 code, u64 a1, u64 a2, u64 a3, u64 a4) {
    if (code > 255) return fail(E_ARG);
    if (caller() != 1) return fail(E_OWNER);
    halt((u32)code);
}
