# paytrade: everything that can be built, run and tested, by name.
# `make help` lists it.

PORT      = 8080
TESTS     =
JOBS      = $(shell nproc 2>/dev/null || echo 1)
NGINX_DEV = /usr/share/nginx/src
BUILD     = $(CURDIR)/build

SOURCES = config config.make \
          $(wildcard src/*/*.c src/*/*.h src/redis/lua/*) \
          ngx_http_paytrade_module.c
MODULE  = ngx_http_paytrade_module.so

export NGINX_DEV BUILD JOBS


help:
	@echo "make run [PORT=8080]   install, build, start a demo shop in run/"
	@echo "make stop              end what make run started"
	@echo "make module            build/$(MODULE) for this nginx"
	@echo "make test [TESTS=...]  install, build and test everything"
	@echo "make check             style, layers and documentation only"
	@echo "make unit fuzz         the core without nginx; longer fuzzing"
	@echo "make module-asan       nginx and module with sanitizers"
	@echo "make test-asan         the nginx suites with sanitizers"
	@echo "make faults mutants    long fault tests; tests of the tests"
	@echo "make bench             the benchmark"
	@echo "make image-replay      the Dockerfile's steps without an engine"
	@echo "make deps deps-test    only install what is missing"
	@echo "make clean             remove build/"


module: build/$(MODULE)

build/$(MODULE): FORCE build/nginx/Makefile
	@$(MAKE) -s -C $(NGINX_DEV) -f $(BUILD)/nginx/Makefile modules
	@cmp -s build/nginx/$(MODULE) $@ \
	    || { cp build/nginx/$(MODULE) $@.new; mv $@.new $@; }

# Configured again when the set of files changes, not when their text does.
build/nginx/Makefile: config config.make build/sources t/tools/configure
	@t/tools/configure

build/sources: FORCE
	@mkdir -p build
	@echo "$(SOURCES)" | cmp -s - $@ || echo "$(SOURCES)" > $@


module-asan: build/sources
	@t/tools/build-asan


# The scripts as C for programs without nginx's build.
build/ngx_paytrade_scripts.c: $(wildcard src/redis/lua/*)
	@mkdir -p build
	@src/redis/lua/embed.sh $@


deps: FORCE
	@t/tools/deps run

deps-test: FORCE
	@t/tools/deps test


run: deps
	@$(MAKE) -s -j$(JOBS) module
	@conf/demo/run $(PORT)

stop: FORCE
	@conf/demo/stop


check: FORCE
	@t/tools/check-style
	@t/tools/check-docs

unit: FORCE
	@t/tools/test unit

test: deps-test
	@t/tools/test all $(TESTS)

test-asan: deps-test
	@t/tools/test asan $(TESTS)

fuzz: deps-test
	@t/tools/test fuzz

faults: deps-test
	@$(MAKE) -s -j$(JOBS) module
	@PT_LONG=1 t/tools/with-servers t/tools/prove t/2*.t

mutants: deps-test
	@t/tools/mutants
	@t/lua/mutants

bench: deps-test
	@$(MAKE) -s -j$(JOBS) module
	@bench/run
	@[ -e $(BUILD)/sdk/complete ] || t/tools/test sdk
	@bench/callbacks

# As root: it makes Debian trees with debootstrap and mounts in them.
image-replay: FORCE
	@t/tools/deps image
	@t/tools/replay-dockerfile


clean: FORCE
	rm -rf build


.PHONY: FORCE help module run test
FORCE:
