# One core under qemu-riscv32; configure with the toolchain file cmake/rv32.cmake.
if(NOT CMAKE_C_COMPILER MATCHES "riscv")
  message(FATAL_ERROR "PULP_PLATFORM=rv32 needs -DCMAKE_TOOLCHAIN_FILE=<runtime>/cmake/rv32.cmake")
endif()
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.c ${CMAKE_CURRENT_LIST_DIR}/../common/*.c
     ${CMAKE_CURRENT_LIST_DIR}/../picolibc/*.c ${CMAKE_CURRENT_LIST_DIR}/../../accel/*/model/*.c)
target_sources(pulp_platform PRIVATE ${sources})
set_source_files_properties(
  ${CMAKE_CURRENT_LIST_DIR}/files.c PROPERTIES COMPILE_DEFINITIONS _POSIX_C_SOURCE=200809L)
