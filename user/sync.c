// sync : returns once all that was written to files is on the disk.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "user/user.h"

int main(void) {
    int fd = open("/", O_RDONLY);
    if (fd < 0 || fsync(fd) < 0) {
        fprintf(2, "sync: not all could be written\n");
        return 1;
    }
    return 0;
}
