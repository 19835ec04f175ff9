// See pathname.h.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/param.h"
#include "user/user.h"
#include "user/pathname.h"

const char *last_part(const char *path) {
    const char *name = path;
    for (; *path; path++)
        if (path[0] == '/' && path[1]) name = path + 1;
    return name;
}

const char *target_of(const char *file, const char *to, char *room) {
    struct stat st;
    if (stat(to, &st) < 0 || st.type != T_DIR) return to;
    const char *name = last_part(file);
    uint n = strlen(to);
    if (n + 1 + strlen(name) + 1 > MAXPATH) return 0;
    strcpy(room, to);
    room[n] = '/';
    strcpy(room + n + 1, name);
    return room;
}
