# Stands for the SDK's rules: links the project's sources with a PMSIS of one core, for qemu-riscv32.
MOCK := $(dir $(lastword $(MAKEFILE_LIST)))
PLATFORM = runtime/platform
SOURCES = $(APP_SRCS) $(APP_ASM_SRCS) $(MOCK)pmsis.c $(PLATFORM)/common/fault.c $(PLATFORM)/picolibc/streams.c \
          $(PLATFORM)/rv32/start.c $(PLATFORM)/rv32/files.c
GCC = riscv64-unknown-elf-gcc -mabi=ilp32 --specs=picolibc.specs
CFLAGS = -march=rv32imc_zicsr -D_POSIX_C_SOURCE=200809L $(APP_CFLAGS) -I$(MOCK) -I$(PLATFORM)/common
OBJECTS = $(patsubst %,build/%.o,$(subst /,-,$(SOURCES)))

all: build/$(APP)

build/$(APP): $(SOURCES)
	mkdir -p build
	$(GCC) $(CFLAGS) -Wall -Wextra -Werror -fsyntax-only $(filter $(PLATFORM)/pmsis/%,$(APP_SRCS))
	$(foreach source,$(SOURCES),$(GCC) $(CFLAGS) -c $(source) -o build/$(subst /,-,$(source)).o &&) true
	$(GCC) -march=rv32imac -nostartfiles -T$(PLATFORM)/rv32/linux.ld $(OBJECTS) $(APP_LDFLAGS) -o $@
