# Bare metal on PULP-open; configure with the toolchain file cmake/pulp_open.cmake.
if(NOT CMAKE_C_COMPILER MATCHES "riscv")
  message(FATAL_ERROR "PULP_PLATFORM=pulp_open needs -DCMAKE_TOOLCHAIN_FILE=<runtime>/cmake/pulp_open.cmake")
endif()
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.c ${CMAKE_CURRENT_LIST_DIR}/../picolibc/*.c)
set(common ${CMAKE_CURRENT_LIST_DIR}/../common)
target_sources(pulp_platform PRIVATE ${sources} ${common}/fault.c ${common}/stats_json.c)
set_source_files_properties(
  ${CMAKE_CURRENT_LIST_DIR}/files.c PROPERTIES COMPILE_DEFINITIONS _POSIX_C_SOURCE=200809L)
