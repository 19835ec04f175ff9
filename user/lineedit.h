// Keys from a terminal, and editing a line, for the shell: what readline does for others. Keys come one by
// one from the device KEYS (kernel/file.h), the line is shown on descriptor 2. Left, Right, Home, End,
// Delete, Backspace; ^A ^E to the ends, ^B ^F one to the side, ^D deletes or, on an empty line, ends the
// input, ^K cuts to the end, ^U to the beginning, ^W a word; Up, Down, ^P, ^N go through the lines before; ^C
// gives the line up.
#ifndef USER_LINEEDIT_H
#define USER_LINEEDIT_H

#define HISTORY    32
#define LINE_END   (-1) // results beside the length: the end of the input,
#define LINE_LONG  (-2) // a line of max bytes or more, which was thrown away,
#define LINE_BREAK (-3) // ^C

// Keys that are no character; ^A and so on are the characters 1 and up.
enum key { LEFT = 256, RIGHT, UP, DOWN, HOME, END, DELETE, PAGE_UP, PAGE_DOWN, OTHER };

// The next key from KEYS, -1 at the end. Knows the escape sequences of VT100 and its heirs.
int read_key(int keys);

// The oldest line is overwritten. All bytes 0 at first.
struct history {
    int n;                   // lines ever added
    char line[HISTORY][128]; // longer ones are not kept
};

// Reads a line of less than max bytes. It is added to the history, if it is not empty or that of before.
int edit_line(int keys, const char *prompt, char *to, int max, struct history *h);

#endif
