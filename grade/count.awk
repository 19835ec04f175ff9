# Reads the tests' lines, shows what did not pass, and ends with their number. A program that ended with a status
# other than 0 and showed no failure of its own (a sanitizer's report, a crash) is a failure too.
/^ok /      { passed++; next }
/^not ok /  { failed++; shown = 1 }
/^done /    {
    if ($3 && !shown) { failed++; print "not ok " $2 ": expected status 0, saw " $3 }
    if ($4 > 9) print "# " $2 " took " $4 " s"
    shown = 0
    next
}
            { print }
END         { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }
