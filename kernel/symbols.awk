# From `nm -n` of a kernel to assembly text with its functions' places and names, for symbol_at() in panic.c.
# Labels of one place are all listed; the last is found. Only text addresses are used: they come before this table.
BEGIN {
    print ".section .symbols, \"a\""
}
$2 ~ /^[tT]$/ && $3 ~ /^[a-z_][A-Za-z0-9_.]*$/ {
    printf ".4byte 0x%s - kernel_start_at, %d\n", $1, used
    names = names ".asciz \"" $3 "\"\n"
    used += length($3) + 1
    if (!start)
        start = $1
}
END {
    if (start)
        print ".set kernel_start_at, 0x" start
    print ".section .symbol_names, \"a\"\n" names
}
