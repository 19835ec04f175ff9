// What a line of shell input means: between shparse.c, which reads it, and sh.c, which carries it out.
//
//     line     = list [# comment]
//     list     = { job ( ';' | '&' ) } [ job ]
//     job      = stage { '|' stage }
//     stage    = { word | redirection }      at least one of them
//              | { redirection } '(' list ')' { redirection }
//     redirection = ( '<' | '>' | '>>' ) word
#ifndef USER_SH_H
#define USER_SH_H

#include "kernel/types.h"

#define LINE_BYTES 1024  // longest line, its final 0 included
#define TREE_BYTES 16384 // room for the meaning of one line
#define MAX_NEST   8     // depth of parentheses

struct redirection {
    struct redirection *next;
    char *path;
    int fd;   // what it replaces: 0 or 1
    int mode; // for open()
};

struct stage {
    struct stage *next; // reads what this one writes
    struct redirection *redirections;
    struct job *group; // what stands in parentheses, or 0:
    char **argv;       // then a command, which has no words if only redirections were given
    int pid;           // while it runs in the foreground
};

struct job {
    struct job *next; // comes after this one
    struct stage *stages;
    int background;
};

// A line's tree. Everything it points to lies in `room`, so that the next line simply overwrites it.
struct line {
    struct job *jobs; // 0 if the line is empty
    char error[64];   // why there is no tree, or ""
    uint used;
    uint64 room[TREE_BYTES / 8];
};

// Reads a line (a final newline is allowed). Returns 0, or -1 with the reason in l->error.
int parse_line(struct line *l, const char *text);

#endif
