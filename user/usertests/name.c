// Directories, path names, links.
#include "ut.h"

static void directories(void) {
    expect("mkdir", 0, mkdir("d"));
    expect("again", BAD, mkdir("d"));
    expect("chdir", 0, chdir("d"));
    make_file("f", "x");
    expect("unlink ../d/f", 0, unlink("../d/f"));
    expect("chdir ..", 0, chdir(".."));
    expect("unlink", 0, unlink("d"));
    expect("chdir to nothing", BAD, chdir("d"));
    expect("chdir to a file", BAD, chdir("README"));
    expect("mkdir in nothing", BAD, mkdir("nosuch/d"));
}

static void dots(void) {
    expect("mkdir", 0, mkdir("d"));
    expect("chdir", 0, chdir("d"));
    expect("rm .", BAD, unlink("."));
    expect("rm ..", BAD, unlink(".."));
    expect("mkdir .", BAD, mkdir("."));
    expect("chdir /", 0, chdir("/"));
    expect("rm d/.", BAD, unlink("d/."));
    expect("rm d/..", BAD, unlink("d/.."));
    expect("rm d", 0, unlink("d"));
}

static void subdirectories(void) {
    struct stat a, b;
    expect("mkdir", 0, mkdir("dd"));
    expect("mkdir", 0, mkdir("/dd/dd"));
    make_file("dd/ff", "ff");
    make_file("dd/dd/ff", "FF");
    expect("with entries", BAD, unlink("dd"));
    expect("stat", 0, stat("dd/dd/../ff", &a));
    expect("link", 0, link("dd/dd/ff", "dd/dd/ffff"));
    expect("unlink", 0, unlink("dd/dd/ff"));
    expect("gone", BAD, open("dd/dd/ff", O_RDONLY));
    expect("chdir", 0, chdir("dd/../../dd/dd"));
    expect("chdir", 0, chdir("./.."));
    expect("stat", 0, stat("ff", &b));
    expect("the same", a.ino, b.ino);
    expect("a file as a directory", BAD, open("ff/x", O_CREATE));
    expect("mkdir over a file", BAD, mkdir("ff"));
    expect("link of a directory", BAD, link("dd", "l"));
    expect("link to what exists", BAD, link("ff", "dd"));
    expect("link of nothing", BAD, link("nosuch", "l"));
    expect("link into nothing", BAD, link("ff", "nosuch/l"));
    expect("create over a directory", BAD, open("dd", O_CREATE | O_RDWR));
    expect("with an entry", BAD, unlink("dd"));
    expect("unlink", 0, unlink("dd/ffff"));
    expect("unlink", 0, unlink("ff"));
    expect("chdir", 0, chdir("/"));
    expect("unlink", 0, unlink("dd/dd"));
    expect("unlink", 0, unlink("dd"));
}

static void file_as_directory(void) {
    make_file("f", "");
    expect("chdir", BAD, chdir("f"));
    expect("open", BAD, open("f/x", O_RDONLY));
    expect("create", BAD, open("f/x", O_CREATE));
    expect("mkdir", BAD, mkdir("f/x"));
    expect("unlink", BAD, unlink("f/x"));
    expect("link", BAD, link("README", "f/x"));
    expect("unlink", 0, unlink("f"));
}

static void links(void) {
    struct stat st;
    make_file("a", "hello");
    expect("link", 0, link("a", "b"));
    expect("stat", 0, stat("b", &st));
    expect("links", 2, st.nlink);
    expect("unlink", 0, unlink("a"));
    int fd = open("b", O_RDONLY);
    char got[8];
    expect("read", 5, read(fd, got, sizeof(got)));
    close(fd);
    expect("link to itself", BAD, link("b", "b"));
    expect("unlink", 0, unlink("b"));
    expect("link of what is gone", BAD, link("b", "a"));
    expect("link of .", BAD, link(".", "a"));
}

static void fourteen(void) {
    expect("mkdir", 0, mkdir("12345678901234"));
    expect("mkdir", 0, mkdir("12345678901234/123456789012345")); // cut to fourteen
    expect("the same name", BAD, mkdir("12345678901234/12345678901234"));
    make_file("123456789012345/123456789012345/123456789012345", "x");
    int fd = open("12345678901234/12345678901234/12345678901234", O_RDONLY);
    if (fd < 0) fail("open", 3, fd);
    close(fd);
    expect("unlink", 0, unlink("12345678901234/12345678901234/12345678901234"));
    expect("unlink", 0, unlink("12345678901234/12345678901234"));
    expect("unlink", 0, unlink("12345678901234"));
}

static void long_paths(void) {
    static char path[MAXPATH + 2];
    memset(path, '/', sizeof(path));
    path[MAXPATH - 1] = 0; // the longest: the root
    expect("longest", 0, chdir(path));
    path[MAXPATH - 1] = '/';
    path[MAXPATH] = 0;
    expect("chdir", BAD, chdir(path));
    expect("open", BAD, open(path, O_RDONLY));
    expect("unlink", BAD, unlink(path));
    expect("link", BAD, link(path, "x"));
    expect("link to", BAD, link("README", path));
    expect("mkdir", BAD, mkdir(path));
    expect("mknod", BAD, mknod(path, 1, 1));
    char *argv[] = {path, 0};
    expect("exec", BAD, exec(path, argv));
}

static void many_names(void) {
    make_file("bd", "");
    for (int i = 0; i < 500; i++) expect("link", 0, link("bd", name_of("x", i)));
    expect("unlink", 0, unlink("bd"));
    for (int i = 0; i < 500; i++) expect("unlink", 0, unlink(name_of("x", i)));
}

static void no_inodes(void) {
    int n = 0;
    expect("mkdir", 0, mkdir("d"));
    expect("chdir", 0, chdir("d"));
    for (int fd; (fd = open(name_of("z", n), O_CREATE)) >= 0; n++) close(fd);
    if (n < 100) fail("inodes", 100, n);
    expect("mkdir", BAD, mkdir("e"));
    expect("mknod", BAD, mknod("e", 1, 1));
    for (int i = 0; i < n; i++) expect("unlink", 0, unlink(name_of("z", i)));
    make_file("z", "");
    expect("unlink", 0, unlink("z"));
    expect("chdir", 0, chdir("/"));
    expect("unlink", 0, unlink("d"));
}

static void gone_directory(void *unused) {
    (void)unused;
    expect("mkdir", 0, mkdir("d"));
    expect("chdir", 0, chdir("d"));
    expect("unlink ../d", 0, unlink("../d"));
    expect("create", BAD, open("f", O_CREATE | O_RDWR));
    expect("mkdir", BAD, mkdir("e"));
    expect("chdir /", 0, chdir("/"));
}

static void removed_while_in(void) { expect("status", 0, status_of(gone_directory, 0)); }

static void stay_in(void *unused) {
    (void)unused;
    expect("mkdir", 0, mkdir("d"));
    expect("chdir", 0, chdir("d"));
    expect("unlink ../d", 0, unlink("../d"));
}

static void exits_in_removed(void) {
    for (int i = 0; i < 60; i++) expect("status", 0, status_of(stay_in, 0)); // more than inodes in memory
}

static void create_and_delete(void *p) {
    char *letter = p, name[3] = {*letter, 0, 0};
    for (int i = 0; i < 20; i++) {
        name[1] = '0' + i;
        make_file(name, "x");
        if (i > 0 && i % 2 == 0) {
            name[1] = '0' + i / 2;
            expect("unlink", 0, unlink(name));
        }
    }
    for (int i = 0; i < 20; i++) {
        name[1] = '0' + i;
        unlink(name);
    }
}

static void at_the_same_time(void) {
    static char letters[] = "pqrs";
    for (int i = 0; i < 4; i++) spawn(create_and_delete, &letters[i]);
    for (int i = 0, status; i < 4; i++) {
        wait(&status);
        expect("status", 0, status);
    }
}

// One links and unlinks what another creates and removes: any may fail, none may break.
static void disturb(void *p) {
    uint x = *(int *)p;
    for (int i = 0; i < 100; i++) {
        x = x * 1103515245 + 12345;
        if (x / 65536 % 3 == 0)
            close(open("x", O_RDWR | O_CREATE));
        else if (x / 65536 % 3 == 1)
            link("cat", "x");
        else
            unlink("x");
    }
}

static void links_in_disorder(void) {
    static int seeds[] = {1, 97};
    unlink("x");
    for (int i = 0; i < 2; i++) spawn(disturb, &seeds[i]);
    for (int i = 0, status; i < 2; i++) {
        wait(&status);
        expect("status", 0, status);
    }
    unlink("x");
    struct stat st;
    expect("stat", 0, stat("cat", &st));
    expect("links of cat", 1, st.nlink);
}

static void empty_names(void) {
    expect("mkdir", BAD, mkdir(""));
    expect("create", BAD, open("", O_CREATE));
    expect("unlink", BAD, unlink(""));
    expect("link", BAD, link("README", ""));
    expect("create /", BAD, open("/", O_CREATE | O_RDWR));
    expect("unlink /", BAD, unlink("/"));
    expect("mkdir with a slash behind", 0, mkdir("d/"));
    expect("unlink", 0, unlink("d"));
}

static void stats(void) {
    struct stat st;
    expect("stat of nothing", BAD, stat("nosuch", &st));
    expect("stat /", 0, stat("/", &st));
    expect("type", T_DIR, st.type);
    expect("number", ROOTINO, st.ino);
    expect("device", ROOTDEV, st.dev);
    expect("stat console", 0, stat("console", &st));
    expect("type", T_DEVICE, st.type);
    int fds[2];
    pipe(fds);
    expect("fstat of a pipe", BAD, fstat(fds[0], &st));
}

const struct test name_tests[] = {
    {"directories", directories, 0},
    {"dots", dots, 0},
    {"subdirectories", subdirectories, 0},
    {"file_as_directory", file_as_directory, 0},
    {"links", links, 0},
    {"fourteen", fourteen, 0},
    {"long_paths", long_paths, 0},
    {"many_names", many_names, 1},
    {"no_inodes", no_inodes, 1},
    {"removed_while_in", removed_while_in, 0},
    {"exits_in_removed", exits_in_removed, 0},
    {"at_the_same_time", at_the_same_time, 0},
    {"links_in_disorder", links_in_disorder, 0},
    {"empty_names", empty_names, 0},
    {"stats", stats, 0},
    {0, 0, 0},
};
