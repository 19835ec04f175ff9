// From entry.S to the first environment.
#include "boot.h"
#include "sbi.h"

u64 kernel_root[512];
void hart_main(u64 i);
void boot(u64 hart, u64 dtb);

void hart_main(u64 i)
{
    (void)i;
    for (;;)
        wfi();
}

void boot(u64 hart, u64 dtb)
{
    (void)hart;
    (void)dtb;
    for (const char *s = "exv6: hello\n"; *s; s++)
        *(volatile u8 *)(UART + KERNEL_BASE) = *s;
    sbi_shutdown();
    for (;;)
        wfi();
}
