# SPDX-License-Identifier: MIT
# Traffic of one client as SQL for MySQL and MariaDB, the same for the same seed; see traffic.awk, whose tables these are.
#   awk -v client=1 -v n=5000 -v seed=42 -v shared=2000 -v cold=40000 -v pause_ms=6 -f mysql-traffic.awk
# Statements may fail (deadlocks, a server that is away): the next one does not depend on it.
function pick(k) { return int(rand() * k) + 1 }
function text(k) { return sprintf("%s %d é 😀 \"q\" \\\\ %c", client, pick(1e9), 97 + pick(25)) }
function big() { return "repeat(sha2('" pick(1e9) "', 256), " (50 + pick(75)) ")" }
function fresh() { return client * 10000000 + (++serial) }
function add(id) { own[++owned] = id }
function insert(id) {
    print "insert into accounts (id, owner, balance, flag, note, big) values (" id ", '" text() "', " pick(1e6) / 100 ", " \
        (pick(3) == 1 ? "null" : pick(2) - 1) ", " (pick(4) == 1 ? "null" : "'" text() "'") ", " (pick(3) == 1 ? big() : "null") ");"
}
function touch_shared() { print "update accounts set balance = balance + " pick(2000) / 100 - 10 ", note = '" text() "', changed = now(6) where id = " pick(shared) ";" }
function history() { print "insert into history (account, delta) values (" pick(shared) ", " pick(2000) - 1000 ");" }
function swap_keys(a, b) {
    print "begin; update accounts set id = -" client " where id = " a "; update accounts set id = " a " where id = " b "; update accounts set id = " b " where id = -" client "; commit;"
}
function own_operation(r, i, id) {
    i = pick(owned); id = own[i]
    if (r < 0.60) { own[i] = fresh(); print "update accounts set id = " own[i] ", note = '" text() "' where id = " id ";" }
    else if (r < 0.67) { print "delete from accounts where id = " id ";"; own[i] = own[owned]; owned-- }
    else if (r < 0.70) { print "begin; delete from accounts where id = " id ";"; insert(id); print "commit;" }
    # All columns: MariaDB does not log those that get their default, where row images are not whole.
    else if (r < 0.73) print "replace into accounts (id, owner, balance, flag, note, big) values (" id ", '" text() "', 1.5, null, 'replaced', null);"
    else if (r < 0.76 && owned > 1) swap_keys(id, own[i == 1 ? owned : i - 1])
    else print "insert into accounts (id, owner, balance) values (" id ", 'again', 0) on duplicate key update owner = '" text() "';"
}
BEGIN {
    srand(seed * 100 + client)
    for (op = 1; op <= n; op++) {
        r = rand()
        if (r < 0.30) touch_shared()
        else if (r < 0.35) print "update accounts set big = " big() " where id = " pick(shared) ";"
        else if (r < 0.50) history()
        else if (r < 0.80 && owned > 20) own_operation(0.5 + (r - 0.5))
        else if (r < 0.88) { id = fresh(); insert(id); add(id) }
        else if (r < 0.90) print "insert into moving (id, v) values (" fresh() ", '" text() "');"
        else if (r < 0.93) { print "begin;"; history(); history(); touch_shared(); print "savepoint s;"; history(); print "rollback to s; commit;" }
        else if (r < 0.95) { print "begin;"; id = fresh(); insert(id); history(); print "rollback;" }
        else if (r < 0.96) print "update branches set code = '" client "-" (++branch) "' where code like '" client "-%';"
        else if (r < 0.98) print (r < 0.975 ? "delete from " : "update ") "accounts " (r < 0.975 ? "" : "set note = '" text() "' ") "where id = " 1000000 + pick(cold) ";"
        else print "delete from history where id between " pick(1000) " and " pick(1000) " limit 3;"
        if (pause_ms >= 1 && op % 10 == 0) print "do sleep(" pause_ms / 100 ");"
    }
}
