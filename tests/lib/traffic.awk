# SPDX-License-Identifier: MIT
# pgbench-like traffic of one client as SQL, the same for the same seed.
#   awk -v client=1 -v n=5000 -v seed=42 -v schema=s -v shared=2000 -v cold=40000 -v pause_ms=6 -f traffic.awk
# Shared rows (ids 1..shared) are updated by all clients, cold ones (1000001..) are deleted now and then; the rows that a client
# inserts, deletes and gives new keys are its own, so that no statement fails.
function pick(k) { return int(rand() * k) + 1 }
function text(k) { return sprintf("%s %d é \"q\" \\ %c", client, pick(1e9), 97 + pick(25)) }
function big(k) { return "repeat(md5('" pick(1e9) "'), " (100 + pick(150)) ")" }
function fresh() { return client * 10000000 + (++serial) }
function add(id) { own[++owned] = id }
function insert(id) {
    print "insert into " t "accounts (id, owner, balance, flag, note, big) values (" id ", '" text() "', " pick(1e6) / 100 ", " \
        (pick(3) == 1 ? "null" : pick(2) == 1 ? "true" : "false") ", " (pick(4) == 1 ? "null" : "'" text() "'") ", " (pick(3) == 1 ? big() : "null") ");"
}
function touch_shared(column) {
    print "update " t "accounts set balance = balance + " pick(2000) / 100 - 10 ", note = '" text() "', changed = clock_timestamp() where id = " pick(shared) ";"
}
function history() { print "insert into " t "history (account, delta) values (" pick(shared) ", " pick(2000) - 1000 ");" }
function swap_keys(a, b) {
    print "begin; update " t "accounts set id = -" client " where id = " a "; update " t "accounts set id = " a " where id = " b \
        "; update " t "accounts set id = " b " where id = -" client "; commit;"
}
function own_operation(r, i, id) {
    i = pick(owned); id = own[i]
    if (r < 0.60) { own[i] = fresh(); print "update " t "accounts set id = " own[i] ", note = '" text() "' where id = " id ";" }
    else if (r < 0.67) { print "delete from " t "accounts where id = " id ";"; own[i] = own[owned]; owned-- }
    else if (r < 0.72) { print "begin; delete from " t "accounts where id = " id ";"; insert(id); print "commit;" }
    else if (r < 0.76 && owned > 1) { swap_keys(id, own[i == 1 ? owned : i - 1]) }
    else print "update " t "accounts set owner = '" text() "' where id = " id ";"
}
BEGIN {
    srand(seed * 100 + client)
    t = schema "."
    print "set client_min_messages = error;"
    for (op = 1; op <= n; op++) {
        r = rand()
        if (r < 0.30) touch_shared()
        else if (r < 0.35) print "update " t "accounts set big = " big() " where id = " pick(shared) ";"
        else if (r < 0.50) history()
        else if (r < 0.80 && owned > 20) own_operation(0.5 + (r - 0.5))
        else if (r < 0.90) { id = fresh(); insert(id); add(id) }
        else if (r < 0.93) { print "begin;"; history(); history(); touch_shared(); print "savepoint s;"; history(); print "rollback to s; commit;" }
        else if (r < 0.95) { print "begin;"; id = fresh(); insert(id); history(); print "rollback;" }
        else if (r < 0.96) print "update " t "branches set code = '" client "-" (++branch) "' where code = '" client "-" (branch - 1) "';"
        else if (r < 0.98) print (r < 0.975 ? "delete from " : "update ") t "accounts " (r < 0.975 ? "" : "set note = '" text() "' ") "where id = " 1000000 + pick(cold) ";"
        else print "delete from " t "history where id in (select id from " t "history order by id limit 3 for update skip locked);"
        if (pause_ms >= 1 && op % 10 == 0) print "select pg_sleep(" pause_ms / 100 ");"
    }
}
