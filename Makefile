# pg_rama: make && make install; the tests are run by test/run.
EXTENSION = pg_rama
EXTVERSION = 0.1.0
MODULE_big = pg_rama
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
INCLUDES = $(wildcard src/*.h src/*/*.h)
SQL_PARTS = $(sort $(wildcard src/sql/[0-9]*.sql))

DATA_built = pg_rama--$(EXTVERSION).sql
EXTRA_CLEAN = pg_rama--*.sql results output_iso log

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
REGRESS_OPTS = --load-extension=pg_rama
ISOLATION_OPTS = --inputdir=test --load-extension=pg_rama

PG_CONFIG ?= pg_config
# PostgreSQL's own headers are not ours to warn about.
PG_CPPFLAGS = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server)
# The C of PostgreSQL 15's headers, which a newer compiler's default is not.
PG_CFLAGS = -std=gnu17 -Wall -Wextra -Werror -Wno-unused-parameter
# No bitcode: it would need the clang that the server was built with.
override with_llvm := no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS): $(INCLUDES)

pg_rama--$(EXTVERSION).sql: $(SQL_PARTS)
	cat $^ > $@
