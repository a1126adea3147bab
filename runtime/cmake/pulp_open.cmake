# Toolchain: Debian's gcc-riscv64-unknown-elf with picolibc, for bare-metal programs on PULP-open (GVSoC).
#
# Code is compiled for rv32imc; the program is linked with the rv32im libraries, since there are none for rv32imc
# and the cores have no atomics; with _zicsr GCC 12 picks the 64-bit ones. Loads and stores may be misaligned: rows of
# a step table, which lie in L2, are read in words, whatever their fields are.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR riscv32)
set(CMAKE_C_COMPILER riscv64-unknown-elf-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS_INIT "-march=rv32imc_zicsr -mabi=ilp32 --specs=picolibc.specs -ffunction-sections \
-mno-strict-align")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O3 -g" CACHE STRING "") # a toolchain can't put -O3 before CMake's own -O2
set(CMAKE_EXE_LINKER_FLAGS_INIT
    "-march=rv32im -mabi=ilp32 -nostartfiles -Wl,--gc-sections \
-T${CMAKE_CURRENT_LIST_DIR}/../platform/pulp_open/pulp_open.ld")
set(PULP_PLATFORM pulp_open CACHE STRING "")
