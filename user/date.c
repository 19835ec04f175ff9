// date : the date and time (UTC). The machine has no clock that the kernel exports: whoever starts it says
// what time it is, with the boot argument epoch=SECONDS since 1970, as `make qemu` does; the rest is counted
// from there.
#include "kernel/types.h"
#include "user/bootarg.h"
#include "user/user.h"

static uint64 now(void) {
    uint64 t;
    asm volatile("rdtime %0" : "=r"(t));
    return t;
}

static int leap(int y) { return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0; }

static void two(int n) { printf("%d%d", n / 10 % 10, n % 10); }

int main(void) {
    static const char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    uint64 start = boot_number("epoch", 0);
    if (!start) {
        fprintf(2, "date: nobody told the machine the time (boot argument epoch=SECONDS)\n");
        return 1;
    }
    uint64 seconds = start + (now() - EXO_WORDS->boot_time) / EXO_WORDS->timebase;
    int day = seconds / 86400, year = 1970, month = 0, time = seconds % 86400;
    printf("%s ", days[day % 7]);
    for (; day >= 365 + leap(year); year++) day -= 365 + leap(year);
    for (; day >= lengths[month] + (month == 1 && leap(year)); month++)
        day -= lengths[month] + (month == 1 && leap(year));
    printf("%d-", year);
    two(month + 1);
    printf("-");
    two(day + 1);
    printf(" ");
    two(time / 3600);
    printf(":");
    two(time / 60 % 60);
    printf(":");
    two(time % 60);
    printf(" UTC\n");
    return 0;
}
