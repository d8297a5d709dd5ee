# task_queue: build, install and test. "make help" lists the targets.

EXTENSION = task_queue
MODULE_big = task_queue
PGFILEDESC = "task_queue - task queue and workflow engine"

srcdir ?= .
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" $(srcdir)/task_queue.control)

# Sources. PGXS tracks no header dependencies, so every object depends on
# every header: the tree is small, and a stale object costs more than a rebuild.
OBJS := $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
HDRS := $(sort $(wildcard src/*.h src/*/*.h))

PG_CPPFLAGS = -I$(srcdir)/src -DTQ_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -Wall -Wextra -Wmissing-prototypes -Wdeclaration-after-statement \
	-Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
ifneq (,$(findstring clang,$(CC)))
# The server's own flags are those of the compiler it was configured with.
PG_CFLAGS += -Wno-ignored-attributes -Wno-unknown-warning-option \
	-Wno-ignored-optimization-argument -Wno-unused-command-line-argument \
	-Wno-compound-token-split-by-macro
endif
ifdef WERROR
PG_CFLAGS += -Werror
endif
PG_CFLAGS += $(EXTRA_CFLAGS)

# The install script is the numbered fragments in order. Their numbers also keep
# their names from ever being those of a test: pg_regress looks in ./sql first.
INSTALL_SQL = sql/$(EXTENSION)--$(EXTVERSION).sql
SQL_PARTS := $(sort $(wildcard sql/[0-9]*.sql))
DATA = $(wildcard sql/upgrade/*--*.sql)
DATA_built = $(INSTALL_SQL)

# Tests. TIER=memory runs them with the library preloaded, TIER=table without;
# test/memory_only names the tests that make no sense in the latter.
TIER ?= memory
MEMORY_ONLY := $(shell sed 's/\#.*//' $(srcdir)/test/memory_only 2>/dev/null)
TESTS_SKIPPED := $(if $(filter table,$(TIER)),$(MEMORY_ONLY))
REGRESS := $(filter-out $(TESTS_SKIPPED),$(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql))))
ISOLATION := $(filter-out $(TESTS_SKIPPED),$(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec))))
TEST_OPTS = --inputdir=$(srcdir)/test --outputdir=. \
	$(if $(filter memory,$(TIER)),--temp-config=$(srcdir)/test/regress.conf) \
	--encoding=UTF8 --no-locale --load-extension=$(EXTENSION)
REGRESS_OPTS = $(TEST_OPTS) --temp-instance=./tmp_regress
ISOLATION_OPTS = $(TEST_OPTS) --temp-instance=./tmp_isolation
ifneq (,$(wildcard test/t/*.pl))
TAP_TESTS = 1
PROVE_TESTS = $(sort $(wildcard test/t/*.pl))
endif

EXTRA_CLEAN = tmp_regress tmp_isolation build/unit

# What needs no server must work where none is installed yet.
TOOL_TARGETS = test unit demo bench help
ifneq (,$(filter-out $(TOOL_TARGETS),$(or $(MAKECMDGOALS),all)))
PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS): $(HDRS) Makefile task_queue.control
ifeq ($(with_llvm),yes)
$(OBJS:.o=.bc): $(HDRS) Makefile task_queue.control
endif

$(INSTALL_SQL): $(SQL_PARTS) Makefile task_queue.control
	cat $(SQL_PARTS) > $@.tmp && mv $@.tmp $@
endif

.PHONY: $(TOOL_TARGETS)

test:
	@tools/test

unit:
	@tools/unit

demo:
	@tools/demo

bench:
	@bench/run

help:
	@echo 'make             build the extension'
	@echo 'make install     install it into the server that PG_CONFIG names'
	@echo 'make test        everything, in a private copy and a private server (Debian: installs what is missing)'
	@echo 'make unit        the unit tests, which need no server'
	@echo 'make demo        a guided tour in a throw-away server'
	@echo 'make bench       the benchmarks'
	@echo 'make installcheck [TIER=memory|table]   pg_regress, isolation and TAP against the installed extension'
	@echo 'tools/dev        build and run single tests while developing'
