# Toolchain: Debian's gcc-riscv64-unknown-elf with picolibc, for programs under qemu-riscv32.
#
# Code is compiled for rv32imc; the program is linked with the rv32imac libraries, since there are none for
# rv32imc and with _zicsr GCC 12 picks the 64-bit ones.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR riscv32)
set(CMAKE_C_COMPILER riscv64-unknown-elf-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS_INIT "-march=rv32imc_zicsr -mabi=ilp32 --specs=picolibc.specs")
set(CMAKE_EXE_LINKER_FLAGS_INIT
    "-march=rv32imac -mabi=ilp32 -nostartfiles -T${CMAKE_CURRENT_LIST_DIR}/../platform/rv32/linux.ld")
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-riscv32)
set(PULP_PLATFORM rv32 CACHE STRING "")
