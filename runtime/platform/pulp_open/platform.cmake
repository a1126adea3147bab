# Bare metal on PULP-open; configure with the toolchain file cmake/pulp_open.cmake.
if(NOT CMAKE_C_COMPILER MATCHES "riscv")
  message(FATAL_ERROR "PULP_PLATFORM=pulp_open needs -DCMAKE_TOOLCHAIN_FILE=<runtime>/cmake/pulp_open.cmake")
endif()
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.c ${CMAKE_CURRENT_LIST_DIR}/../picolibc/*.c)
set(common ${CMAKE_CURRENT_LIST_DIR}/../common)
target_sources(pulp_platform PRIVATE ${sources} ${common}/fault.c ${common}/stats_json.c)
set_source_files_properties(
  ${CMAKE_CURRENT_LIST_DIR}/files.c PROPERTIES COMPILE_DEFINITIONS _POSIX_C_SOURCE=200809L)
target_compile_definitions(
  pulp_platform PUBLIC [[PULP_L3=__attribute__((aligned(8), section(".l3")))]]
                       [[PULP_L3_RAM=__attribute__((aligned(8), section(".l3_ram")))]])
# The cores multiply float32 in their integer registers.
target_compile_definitions(pulp_platform PUBLIC PULP_FLOAT_UNIT=1)

set(PULP_L1_BYTES 65536 CACHE STRING "L1 of the simulated cluster, in bytes")
target_link_options(pulp_platform INTERFACE LINKER:--defsym=pulp_l1_bytes=${PULP_L1_BYTES})

# What a program keeps in L3, as a file beside it: <program>.l3.
function(pulp_finish_program target)
  add_custom_command(
    TARGET ${target} POST_BUILD
    COMMAND ${CMAKE_OBJCOPY} -O binary -j .l3 $<TARGET_FILE:${target}> $<TARGET_FILE:${target}>.l3 VERBATIM)
endfunction()

option(PULP_PROFILE "Log what core 0 does, for a measured timeline" OFF)
if(PULP_PROFILE)
  target_compile_definitions(pulp_platform PRIVATE PULP_PROFILE=1)
endif()
