// What the log does at mount: puts in place what was committed and may not be there. Called once, by
// log_open(), before any op.
//
// TO WRITE, for part B. The anchor (block log_start; struct log_anchor) says where the oldest record begins
// and which number it has. LOG_E_CORRUPT if it is not this file system's: magic, id, generation, sum, and a
// tail within the ring. From there on, record after record, as long as
//
//   - it begins there: magic, id, generation, and the number that comes next;
//   - it fits into what is left of the ring;
//   - its sum is right, so all of it is there;
//
// each block goes to its place. What names blocks that no record may have (before inode_start, or past the
// end) is LOG_E_CORRUPT. Then, if there was anything: bflush(), and log_anchor() at the end of the last, with
// the number that comes next; one more if a record was begun there that never became whole. Sets log->head
// and log->sequence. Nothing is written before it is known to be whole, and the anchor is written last.
#include "log.h"

#include "lib.h"

int log_recover(struct log *log) {
    print("fs: libos/recover.c is not written yet\n");
    return LOG_E_IO;
}
