// One process that chooses one policy after another; see hidden.py.
#include "labs/cache/files.h"
#include "user/kernel/cache.h"

static uint64 total;

static void once(void) {
    for (int i = FILES - 1; i >= 0; i--) total = total * 31 + look(i);
}

static void favourites(uint64 seed, int from, int to) {
    for (int i = from; i < to; i++) total = total * 31 + look(favourite(seed, i));
}

static int mixed(uint64 seed) {
    once();
    cachepolicy(CACHE_CLOCK);
    favourites(seed, 0, 200);
    cachepolicy(CACHE_MRU);
    once();
    cachepolicy(CACHE_LRU);
    once();
    favourites(seed, 200, 300);
    cachepolicy(CACHE_CLOCK);
    favourites(seed, 300, 500);
    answer("total", total);
    return 0;
}

static const struct mode modes[] = {{"mixed", mixed}, {0, 0}};

int main(int argc, char **argv) { return run_mode(modes, argc, argv); }
