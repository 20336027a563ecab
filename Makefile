# SPDX-License-Identifier: MIT
# cdc-tools: plain make, no configure. `make help` lists the targets.

VERSION := $(shell sed -n 's/^.define CDC_VERSION "\(.*\)"/\1/p' include/cdc/version.h)
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
BUILD ?= build
PARTS = POSTGRES MYSQL SQLITE HTTP LOG KAFKA
WITH_POSTGRES ?= yes
WITH_MYSQL ?= yes
WITH_SQLITE ?= yes
WITH_HTTP ?= yes
WITH_LOG ?= yes
WITH_KAFKA ?= yes
$(foreach part,$(PARTS),$(if $(filter =yes= =no=,=$(WITH_$(part))=),,$(error WITH_$(part)=$(WITH_$(part)): neither yes nor no)))
$(foreach name,$(filter WITH_%,$(.VARIABLES)),$(if $(filter command,$(origin $(name))),$(if $(filter $(name),$(PARTS:%=WITH_%)),,$(error $(name) is not known, only $(PARTS:%=WITH_%)))))

CFLAGS ?= -O3 -g
PKG_CONFIG ?= pkg-config
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wpointer-arith
HARDENING = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
# Symbols are bound at the start, and their table is read-only from then on; programs load at a random address.
LINK_HARDENING = -Wl,-z,relro,-z,now
ifneq ($(SANITIZE),)
HARDENING =
LINK_HARDENING =
override CFLAGS += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SANITIZE)
endif
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -Iinclude -I. -fPIC $(WARNINGS) $(HARDENING) $(CFLAGS) $(CPPFLAGS) -MMD -MP

.DEFAULT_GOAL := all

# What is missing is named all at once. These goals need nothing: not pkg-config, not even a compiler.
BARE_GOALS = clean help setup uninstall demo test test-full test-fresh test-matrix test-workload bench asan ubsan tsan lint format format-check
ifneq ($(filter-out $(BARE_GOALS),$(or $(MAKECMDGOALS),all)),)
ifeq ($(shell command -v $(firstword $(CC)) 2>/dev/null)$(filter cc gcc,$(firstword $(CC))),)
$(error CC=$(CC): there is no such command)
endif
WITHOUT = $(foreach part,$(PARTS),$(if $(filter no,$(WITH_$(part))),$(part)))
MISSING := $(filter-out make,$(shell CC='$(CC)' PKG_CONFIG='$(PKG_CONFIG)' WITHOUT='$(WITHOUT)' tests/needs --missing build))
define REFUSAL
missing: $(MISSING). As root:
    apt-get install $(MISSING)
`make help` names the parts that can be left out
endef
ifneq ($(MISSING),)
$(error $(REFUSAL))
endif
endif
ALL_CFLAGS += $(shell $(PKG_CONFIG) --cflags jansson 2>/dev/null)
ALL_CFLAGS += $(shell $(PKG_CONFIG) --cflags libcrypto 2>/dev/null)
LIB_LIBS = $(shell $(PKG_CONFIG) --libs jansson 2>/dev/null)
# Of libcdc's room for privacy, which cdc-filter alone uses, and of webhooks' signatures.
CRYPTO_LIBS = $(shell $(PKG_CONFIG) --libs libcrypto 2>/dev/null)

LIB_SRC := $(sort $(shell find libcdc -name '*.c'))
LIB_OBJ = $(LIB_SRC:%.c=$(BUILD)/%.o)
LIB = $(BUILD)/libcdc.a
SHARED = $(BUILD)/libcdc.so.0

# The objects of all sources below a folder.
objects = $(patsubst %.c,$(BUILD)/%.o,$(sort $(shell find $(1) -name '*.c')))

PROGRAM_OBJ = $(BUILD)/cmd/program/program.o $(BUILD)/cmd/program/secrets.o
SINK_OBJ = $(BUILD)/cmd/program/sink.o
SOURCE_OBJ = $(BUILD)/cmd/program/source.o
FILTER_OBJ = $(call objects,cmd/filter)
TOOLS = cdc-filter
ifeq ($(WITH_POSTGRES),yes)
TOOLS += pg-cdc
PG_OBJ = $(call objects,connectors/postgres)
ALL_CFLAGS += $(shell $(PKG_CONFIG) --cflags libpq 2>/dev/null)
endif
ifeq ($(WITH_MYSQL),yes)
TOOLS += mysql-binlog
MYSQL_OBJ = $(call objects,connectors/mysql)
ALL_CFLAGS += $(shell $(PKG_CONFIG) --cflags libmariadb libzstd zlib 2>/dev/null)
MYSQL_LIBS = $(shell $(PKG_CONFIG) --libs libmariadb libzstd zlib 2>/dev/null) -lm -lpthread
endif
ifeq ($(WITH_SQLITE),yes)
TOOLS += cdc-sink-sqlite
SQLITE_OBJ = $(call objects,connectors/sqlite)
$(SQLITE_OBJ): ALL_CFLAGS += $(shell $(PKG_CONFIG) --cflags sqlite3)
# The filter's expressions, without the sink.
SQL_OBJ = $(call objects,connectors/sqlite/syntax) $(call objects,connectors/sqlite/expression) $(call objects,connectors/sqlite/filter) $(BUILD)/connectors/sqlite/session/value.o
SQL_LIBS = $(shell $(PKG_CONFIG) --libs sqlite3) -lm
$(BUILD)/cmd/cdc-filter.o: ALL_CFLAGS += -DWITH_SQLITE
endif
ifeq ($(WITH_HTTP),yes)
TOOLS += cdc-sink-http
HTTP_OBJ = $(call objects,connectors/http)
$(HTTP_OBJ): ALL_CFLAGS += $(shell $(PKG_CONFIG) --cflags libcurl zlib)
endif
ifeq ($(WITH_LOG),yes)
TOOLS += cdc-log
LOG_OBJ = $(call objects,connectors/log)
LOG_LIBS = $(shell $(PKG_CONFIG) --libs libzstd libcrypto 2>/dev/null) -lpthread
ALL_CFLAGS += $(shell $(PKG_CONFIG) --cflags libzstd 2>/dev/null)
endif
ifeq ($(WITH_KAFKA),yes)
TOOLS += cdc-sink-kafka kafka-cdc
KAFKA_OBJ = $(call objects,connectors/kafka)
KAFKA_LIBS = $(shell $(PKG_CONFIG) --libs rdkafka 2>/dev/null)
ALL_CFLAGS += $(shell $(PKG_CONFIG) --cflags rdkafka 2>/dev/null)
endif
ifneq ($(filter pg-cdc mysql-binlog,$(TOOLS)),)
TOOLS += cdc-snapshot
$(BUILD)/cmd/cdc-snapshot.o: ALL_CFLAGS += $(if $(PG_OBJ),-DWITH_POSTGRES) $(if $(MYSQL_OBJ),-DWITH_MYSQL)
endif
BINARIES = $(TOOLS:%=$(BUILD)/bin/%)
# Each tool has a page, also one that this call leaves out.
ALL_TOOLS = $(patsubst man/%.1,%,$(wildcard man/*.1))

# pkg-config is asked once, not for each file.
ALL_CFLAGS := $(ALL_CFLAGS)
LIB_LIBS := $(LIB_LIBS)
CRYPTO_LIBS := $(CRYPTO_LIBS)
MYSQL_LIBS := $(MYSQL_LIBS)
LOG_LIBS := $(LOG_LIBS)
KAFKA_LIBS := $(KAFKA_LIBS)
MODULES = jansson libcrypto $(if $(PG_OBJ),libpq) $(if $(MYSQL_OBJ),libmariadb libzstd zlib) $(if $(SQLITE_OBJ),sqlite3) $(if $(HTTP_OBJ),libcurl zlib) $(if $(LOG_OBJ),libzstd) $(if $(KAFKA_OBJ),rdkafka)
MODULE_FLAGS := $(shell $(PKG_CONFIG) --cflags --libs $(MODULES) 2>/dev/null)

# $(BUILD)/NAME keeps the text of a variable. Once that is another one, so is the file, and what depends on it is made again.
define kept
ifneq ($$(file <$(BUILD)/$(1)),$$($(2)))
$(BUILD)/$(1): FORCE
endif
$(BUILD)/$(1): export KEPT = $$($(2))
endef
FLAGS := $(strip $(CC) $(ALL_CFLAGS) $(LINK_HARDENING) $(LDFLAGS) $(AR) $(MODULE_FLAGS) $(foreach part,$(PARTS),WITH_$(part)=$(WITH_$(part))) $(VERSION))
FOLDERS := $(strip $(PREFIX) $(LIBDIR) $(INCLUDEDIR) $(VERSION))
$(eval $(call kept,flags,FLAGS))
$(eval $(call kept,folders,FOLDERS))

all: $(LIB) $(SHARED) $(BINARIES) $(BUILD)/libcdc.pc
lib: $(LIB) $(SHARED) $(BUILD)/libcdc.pc

# Tools of other flags go first: one that is left out now must not be taken for one that was built.
$(BUILD)/flags:
	@mkdir -p $(@D) && rm -f $(ALL_TOOLS:%=$(BUILD)/bin/%) && printf '%s\n' "$$KEPT" >$@
$(BUILD)/folders:
	@mkdir -p $(@D) && printf '%s\n' "$$KEPT" >$@

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(SHARED): $(LIB_OBJ) libcdc/libcdc.map
	$(CC) $(CFLAGS) $(LINK_HARDENING) $(LDFLAGS) -shared -Wl,-soname,libcdc.so.0 -Wl,--version-script=libcdc/libcdc.map -o $@ $(LIB_OBJ) $(LIB_LIBS) $(CRYPTO_LIBS)
	ln -sf libcdc.so.0 $(BUILD)/libcdc.so

$(BUILD)/libcdc.pc: libcdc/libcdc.pc.in include/cdc/version.h $(BUILD)/folders
	@mkdir -p $(@D)
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(VERSION)|' $< > $@

LINK = @mkdir -p $(@D); $(CC) $(CFLAGS) -pie $(LINK_HARDENING) $(LDFLAGS) -o $@ $(filter %.o %.a,$^)
$(BUILD)/bin/cdc-filter: $(BUILD)/cmd/cdc-filter.o $(FILTER_OBJ) $(SQL_OBJ) $(PROGRAM_OBJ) $(LIB)
	$(LINK) $(SQL_LIBS) $(LIB_LIBS) $(CRYPTO_LIBS)
$(BUILD)/bin/pg-cdc: $(BUILD)/cmd/pg-cdc.o $(PROGRAM_OBJ) $(SOURCE_OBJ) $(PG_OBJ) $(LIB)
	$(LINK) $(shell $(PKG_CONFIG) --libs libpq) $(LIB_LIBS)
$(BUILD)/bin/cdc-snapshot: $(BUILD)/cmd/cdc-snapshot.o $(BUILD)/cmd/program/again.o $(PROGRAM_OBJ) $(SOURCE_OBJ) $(PG_OBJ) $(MYSQL_OBJ) $(LIB)
	$(LINK) $(if $(PG_OBJ),$(shell $(PKG_CONFIG) --libs libpq)) $(MYSQL_LIBS) $(LIB_LIBS)
$(BUILD)/bin/mysql-binlog: $(BUILD)/cmd/mysql-binlog.o $(PROGRAM_OBJ) $(SOURCE_OBJ) $(MYSQL_OBJ) $(LIB)
	$(LINK) $(MYSQL_LIBS) $(LIB_LIBS)
$(BUILD)/bin/cdc-sink-sqlite: $(BUILD)/cmd/cdc-sink-sqlite.o $(PROGRAM_OBJ) $(SINK_OBJ) $(SQLITE_OBJ) $(LIB)
	$(LINK) $(shell $(PKG_CONFIG) --libs sqlite3) -lm $(LIB_LIBS)
$(BUILD)/bin/cdc-sink-http: $(BUILD)/cmd/cdc-sink-http.o $(PROGRAM_OBJ) $(SINK_OBJ) $(HTTP_OBJ) $(LIB)
	$(LINK) $(shell $(PKG_CONFIG) --libs libcurl zlib) $(LIB_LIBS) $(CRYPTO_LIBS)
$(BUILD)/bin/cdc-log: $(BUILD)/cmd/cdc-log.o $(call objects,cmd/log) $(PROGRAM_OBJ) $(SOURCE_OBJ) $(SINK_OBJ) $(LOG_OBJ) $(LIB)
	$(LINK) $(LOG_LIBS) $(LIB_LIBS)
$(BUILD)/bin/cdc-sink-kafka: $(BUILD)/cmd/cdc-sink-kafka.o $(PROGRAM_OBJ) $(SINK_OBJ) $(SOURCE_OBJ) $(KAFKA_OBJ) $(LIB)
	$(LINK) $(KAFKA_LIBS) $(LIB_LIBS)
$(BUILD)/bin/kafka-cdc: $(BUILD)/cmd/kafka-cdc.o $(PROGRAM_OBJ) $(SOURCE_OBJ) $(KAFKA_OBJ) $(LIB)
	$(LINK) $(KAFKA_LIBS) $(LIB_LIBS)

# Unit tests: one program a file in tests/unit, linked with the library, the connectors, and what the programs share.
UNIT = $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*.c))
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIB) $(PG_OBJ) $(MYSQL_OBJ) $(SQLITE_OBJ) $(PROGRAM_OBJ) $(SOURCE_OBJ) $(HTTP_OBJ) $(LOG_OBJ) $(KAFKA_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(shell $(PKG_CONFIG) --libs libpq sqlite3 libcurl zlib 2>/dev/null) $(MYSQL_LIBS) $(LOG_LIBS) $(KAFKA_LIBS) $(LIB_LIBS) $(CRYPTO_LIBS)
# Without fortification, which would turn its own calls into those that it stands for; never with a sanitizer.
$(BUILD)/tests/faults.so: tests/lib/faults.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) -O1 -g -fno-builtin -fPIC -shared -o $@ $<
$(BUILD)/tests/clock.so: tests/lib/clock.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) -O1 -g -fPIC -shared -o $@ $<
# A client of Kafka, and a mock cluster, for tests.
$(BUILD)/tests/kafka-client: $(BUILD)/tests/kafka/client.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(KAFKA_LIBS)
$(BUILD)/tests/kafka-faults.so: tests/kafka/faults.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) -O1 -g -fPIC -shared -o $@ $< $(KAFKA_LIBS)
unit: $(UNIT) $(BUILD)/tests/faults.so $(BUILD)/tests/clock.so $(BUILD)/tests/kafka-client $(BUILD)/tests/kafka-faults.so

# Fuzz targets (clang); `make fuzz FUZZ_SECONDS=600`, FUZZ=fuzz-binlog-decoder for one. They begin with the inputs of
# tests/fuzz/corpus, and keep what they find in $(BUILD).
FUZZ = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz-*.c))
FUZZ_SECONDS ?= 30
# Another number each time; a fixed one tries the same inputs again.
FUZZ_SEED ?= 0
# The pure rooms, and files of others that need no database's library.
FUZZ_SRC = $(LIB_SRC) cmd/filter/rules.c connectors/postgres/stream/spool.c connectors/log/stat.c $(wildcard connectors/postgres/pgoutput/*.c connectors/sqlite/syntax/*.c connectors/kafka/record/*.c connectors/log/file/*.c connectors/log/proof/*.c connectors/log/repair/*.c $(addprefix connectors/mysql/,value/*.c event/*.c decoder/*.c)) $(patsubst %,connectors/log/compact/%.c,choose fold history key latest plan row sorter tables take write)
FUZZ_PACKAGES = jansson libcrypto libzstd zlib
FUZZ_CFLAGS = -std=c11 -D_GNU_SOURCE -Iinclude -I. -g -O1 -fno-sanitize-recover=undefined $(shell $(PKG_CONFIG) --cflags $(FUZZ_PACKAGES) 2>/dev/null)
FUZZ_OBJ = $(FUZZ_SRC:%.c=$(BUILD)/fuzz/obj/%.o)
$(BUILD)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	@clang $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/lib.a: $(FUZZ_OBJ)
	@rm -f $@
	@ar rcs $@ $(FUZZ_OBJ)
fuzz: $(BUILD)/fuzz/lib.a
	@set -e; for t in $(FUZZ); do mkdir -p $(BUILD)/fuzz/corpus-$$t; \
	  clang $(FUZZ_CFLAGS) -fsanitize=fuzzer,address,undefined -o $(BUILD)/fuzz/$$t tests/fuzz/$$t.c $< $$($(PKG_CONFIG) --libs $(FUZZ_PACKAGES)) -lm; \
	  $(BUILD)/fuzz/$$t -max_total_time=$(FUZZ_SECONDS) -seed=$(FUZZ_SEED) -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/$$t- $(BUILD)/fuzz/corpus-$$t $$(ls -d tests/fuzz/corpus/$$t 2>/dev/null); done

# All processors build for those who did not say how many.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$$(nproc))
setup:
	tests/setup

# T="tests/filter.bats -f rename" for some of it.
test:
	tests/setup test
	$(MAKE) --no-print-directory $(JOBS) all unit
	tests/run $(T)

# What takes too long for every change, some hours (tests/full says what, and runs parts of it; .ci/run takes samples).
test-full:
	tests/setup matrix
	$(MAKE) --no-print-directory $(JOBS) all unit
	tests/full

# The suites that need a database, against servers of other releases (as root; tests/matrix says more).
test-matrix:
	tests/setup matrix
	$(MAKE) --no-print-directory all
	tests/matrix

# PostgreSQL's own regression suite (some minutes), and MariaDB's own test files (mariadb-test must be installed; an hour;
# SUITES="rpl binlog"), as workloads.
test-workload:
	$(MAKE) --no-print-directory all
	tests/workload-postgres
	tests/workload $(SUITES)

# In bare Debians of these releases, as root; RELEASES="bookworm" for one.
RELEASES = bookworm trixie
test-fresh:
	tests/fresh $(RELEASES)

demo:
	@tests/setup demo $(TARGET)
	@$(MAKE) --no-print-directory -s $(JOBS) all
	@tests/demo $(TARGET)

bench:
	tests/setup bench
	$(MAKE) --no-print-directory all
	tests/bench/run

asan:
	$(MAKE) BUILD=build/asan SANITIZE=address,undefined CFLAGS="-O1 -g" all unit
	CDC_BUILD=build/asan tests/run $(T)
ubsan:
	$(MAKE) BUILD=build/ubsan SANITIZE=undefined CFLAGS="-O1 -g" all unit
	CDC_BUILD=build/ubsan tests/run $(T)
# What runs in several threads: conversions of texts, cdc-snapshot -j, the thread that reads the log.
tsan:
	$(MAKE) BUILD=build/tsan SANITIZE=thread CFLAGS="-O1 -g" all unit
	CDC_BUILD=build/tsan tests/run $(or $(T),tests/unit.bats tests/snapshot-mysql.bats)

lint:
	mandoc -T lint -W warning man/*.[1357]
	shellcheck -x tests/kafka/start tests/kafka/foreign tests/run tests/full tests/setup tests/needs tests/matrix tests/fresh tests/workload tests/workload-postgres tests/foreign tests/demo tests/bench/run tests/bench/against .ci/run
	shellcheck -x -S error tests/log-rounds tests/migrations tests/publications tests/rereads tests/rereads-mysql
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --suppress=missingIncludeSystem --enable=warning,portability -Iinclude -I. cmd libcdc connectors

format:
	clang-format -i $$(git ls-files '*.c' '*.h')
format-check:
	clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')

install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)/cdc
	install -m 755 $(BINARIES) $(DESTDIR)$(BINDIR)
	install -m 644 include/cdc/*.h $(DESTDIR)$(INCLUDEDIR)/cdc
	install -m 644 $(LIB) $(DESTDIR)$(LIBDIR)
	install -m 755 $(SHARED) $(DESTDIR)$(LIBDIR)
	ln -sf libcdc.so.0 $(DESTDIR)$(LIBDIR)/libcdc.so
	install -m 644 $(BUILD)/libcdc.pc $(DESTDIR)$(LIBDIR)/pkgconfig
	for s in 1 3 5 7; do install -d $(DESTDIR)$(MANDIR)/man$$s; for p in man/*.$$s; do [ ! -f $$p ] || install -m 644 $$p $(DESTDIR)$(MANDIR)/man$$s; done; done

uninstall:
	for t in $(ALL_TOOLS); do rm -f $(DESTDIR)$(BINDIR)/$$t; done
	rm -rf $(DESTDIR)$(INCLUDEDIR)/cdc
	rm -f $(DESTDIR)$(LIBDIR)/libcdc.a $(DESTDIR)$(LIBDIR)/libcdc.so $(DESTDIR)$(LIBDIR)/libcdc.so.0 $(DESTDIR)$(LIBDIR)/pkgconfig/libcdc.pc
	for p in man/*; do rm -f $(DESTDIR)$(MANDIR)/man$${p##*.}/$${p##*/}; done

clean:
	rm -rf build

help:
	@echo "all            the programs in $(BUILD)/bin, and the library"
	@echo "lib            the library alone"
	@echo "unit           the programs of tests/unit"
	@echo "setup          names or installs what is missing, to build and to test"
	@echo "demo           a database, a copy, a crash, a comparison; TARGET=opensearch into a real OpenSearch"
	@echo "test           builds and runs all suites; T='tests/filter.bats -f rename' some of it"
	@echo "test-full      what takes hours: servers of other releases, large counts, long fuzzing"
	@echo "test-matrix    the suites that need a database, against servers of other releases; as root"
	@echo "test-fresh     the same commands in bare Debians, RELEASES='$(RELEASES)'; as root"
	@echo "test-workload  PostgreSQL's regression suite and MariaDB's own test files as SQL, an hour; SUITES='rpl binlog'"
	@echo "bench          speed, memory and latency"
	@echo "asan ubsan     all suites with the sanitizers in the programs; T as above"
	@echo "tsan           the suites of what has threads, with ThreadSanitizer in the programs"
	@echo "fuzz           each fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS), FUZZ=NAME one; needs clang"
	@echo "lint           the checkers of pages, scripts and sources"
	@echo "format         clang-format over all sources; format-check only looks"
	@echo "install        below PREFIX=$(PREFIX), DESTDIR is honoured; uninstall takes it away"
	@echo "clean          removes build/"
	@echo "variables: PREFIX DESTDIR CC CFLAGS LDFLAGS BUILD SANITIZE $(PARTS:%=WITH_%=no)"

FORCE:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: FORCE all lib unit test test-full test-matrix test-fresh test-workload demo bench asan ubsan tsan lint format format-check install uninstall clean help setup fuzz
.SECONDARY:
