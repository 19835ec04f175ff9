// Path names, for programs that move files about.
#ifndef USER_PATHNAME_H
#define USER_PATHNAME_H

// What stands behind the last slash but those at the end.
const char *last_part(const char *path);

// Where `file` goes that is to go to `to`: into it under its old name if that is a directory, else there. The
// result is `to` or in room, of MAXPATH bytes; 0: it would be too long.
const char *target_of(const char *file, const char *to, char *room);

#endif
