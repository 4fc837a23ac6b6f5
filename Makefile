# SPDX-License-Identifier: MIT
# The library alone, with GNU make: all, shared, install, install-shared,
# clean. DEFINES are the choices of include/ioasid/config.h, which ioasid.pc
# passes on.
PREFIX = /usr/local
LIBDIR = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
DESTDIR =
CFLAGS = -O2
DEFINES =
BUILD = out
INSTALL = install

VERSION := $(shell sed -n 's/^.define IOASID_VERSION "\(.*\)"/\1/p' \
	include/ioasid/config.h)
SONAME = libioasid.so.$(firstword $(subst ., ,$(VERSION)))
NAMESPACE = $(patsubst -DIOASID_NAMESPACE=%,%_,$(filter \
	-DIOASID_NAMESPACE=%,$(DEFINES)))
SOURCES := $(wildcard core/*.c core/*/*.c)
HEADERS := $(wildcard core/*/*.h include/ioasid/*.h)
STATIC = $(SOURCES:%.c=$(BUILD)/static/%.o)
SHARED = $(SOURCES:%.c=$(BUILD)/shared/%.o)
COMPILE = $(CC) -std=c11 $(CPPFLAGS) $(DEFINES) -Iinclude $(CFLAGS)

export COMPILE

all: $(BUILD)/libioasid.a
shared: $(BUILD)/libioasid.so

# Objects of other choices are not taken for these.
$(BUILD)/choices: FORCE
	@mkdir -p $(BUILD)
	@echo "$$COMPILE" | cmp -s - $@ || echo "$$COMPILE" >$@

$(BUILD)/static/%.o: %.c $(HEADERS) $(BUILD)/choices
	@mkdir -p $(@D)
	$(COMPILE) -c $< -o $@

$(BUILD)/shared/%.o: %.c $(HEADERS) $(BUILD)/choices
	@mkdir -p $(@D)
	$(COMPILE) -fPIC -DIOASID_SHARED -c $< -o $@

$(BUILD)/libioasid.a: $(STATIC)
	rm -f $@
	$(AR) rcs $@ $(STATIC)

$(BUILD)/libioasid.so: $(SHARED) ioasid.map
	sed 's/	ioasid_/	$(NAMESPACE)ioasid_/' ioasid.map >$(BUILD)/ioasid.map
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) \
		-Wl,--version-script=$(BUILD)/ioasid.map $(SHARED) \
		-o $@ -pthread $(LDLIBS)

# $(call pc,what only users of the shared library define,Libs,Libs.private)
pc = sed -e 's|@prefix@|$(PREFIX)|' -e 's|@version@|$(VERSION)|' \
	-e 's|@includedir@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' \
	-e 's|@libdir@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
	-e 's|@defines@| $(DEFINES)$(1)|' -e 's|@libs@|$(2)|' \
	-e 's|@private@|$(3)|' ioasid.pc.in \
	>"$(DESTDIR)$(LIBDIR)/pkgconfig/ioasid.pc"

install-headers:
	$(INSTALL) -d "$(DESTDIR)$(INCLUDEDIR)/ioasid" \
		"$(DESTDIR)$(LIBDIR)/pkgconfig"
	$(INSTALL) -m 644 include/ioasid/*.h "$(DESTDIR)$(INCLUDEDIR)/ioasid"

install: all install-headers
	$(INSTALL) -m 644 $(BUILD)/libioasid.a "$(DESTDIR)$(LIBDIR)"
	$(call pc,,-pthread $(LDLIBS),)

install-shared: shared install-headers
	$(INSTALL) -m 755 $(BUILD)/libioasid.so \
		"$(DESTDIR)$(LIBDIR)/libioasid.so.$(VERSION)"
	ln -sf libioasid.so.$(VERSION) "$(DESTDIR)$(LIBDIR)/$(SONAME)"
	ln -sf $(SONAME) "$(DESTDIR)$(LIBDIR)/libioasid.so"
	$(call pc, -DIOASID_SHARED,,-pthread $(LDLIBS))

clean:
	rm -rf $(BUILD)

FORCE:
.PHONY: all shared install-headers install install-shared clean FORCE
