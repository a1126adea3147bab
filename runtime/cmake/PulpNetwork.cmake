# Adds generated networks to a CMake project. Needs the targets of runtime/CMakeLists.txt.

set(PULP_RUNTIME_DIR ${CMAKE_CURRENT_LIST_DIR}/.. CACHE INTERNAL "")

# C99 as strict as generated code and runtime are kept.
function(pulp_strict_c99 target)
  set_target_properties(${target} PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror)
endfunction()

# add_pulp_network(<target> DIR <package folder>)
#
# A static library of the network in a package: the offloaded regions (codegen/host/src/pulp/*.c, warnings are
# errors) and the rest of the graph as TVM wrote it (codegen/host/src/*.c, its warnings off). TVM's C must
# compute as it says, hence no fused multiply-add, and its polynomials look at the bits of floats.
function(add_pulp_network target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "DIR" "")
  if(NOT arg_DIR)
    message(FATAL_ERROR "add_pulp_network(${target}): DIR <package folder> is missing")
  endif()
  get_filename_component(package ${arg_DIR} ABSOLUTE)
  file(GLOB ours CONFIGURE_DEPENDS ${package}/codegen/host/src/pulp/*.c)
  file(GLOB tvms CONFIGURE_DEPENDS ${package}/codegen/host/src/*.c)
  if(NOT ours)
    message(FATAL_ERROR "add_pulp_network(${target}): ${package} holds no codegen/host/src/pulp/*.c")
  endif()

  add_library(${target} STATIC ${ours})
  target_include_directories(${target} PUBLIC ${package}/codegen/host/include)
  target_include_directories(${target} SYSTEM PUBLIC ${package}/runtime/include)
  target_link_libraries(${target} PUBLIC pulp_kernels)
  pulp_strict_c99(${target})
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # A frame of the stacks in L1 holds one layer's variables, not those of all that are inlined.
    target_compile_options(
      ${target} PRIVATE -fno-inline-functions-called-once -fno-inline-functions -fno-inline-small-functions)
  endif()

  if(tvms)
    add_library(${target}_tvm OBJECT ${tvms})
    target_compile_options(${target}_tvm PRIVATE -w -ffp-contract=off -fno-strict-aliasing)
    target_include_directories(${target}_tvm PRIVATE ${package}/codegen/host/include)
    target_include_directories(${target}_tvm SYSTEM PRIVATE ${package}/runtime/include)
    target_link_libraries(${target}_tvm PRIVATE pulp_kernels)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_tvm>)
    target_link_libraries(${target} PUBLIC m)
  endif()
endfunction()

# add_pulp_runner(<target> <network>): the program `<target> DIR [N]` (platform/runner.c) around a network.
function(add_pulp_runner target network)
  add_executable(${target} ${PULP_RUNTIME_DIR}/platform/runner.c)
  target_include_directories(${target} PRIVATE ${PULP_RUNTIME_DIR}/platform/common)
  target_link_libraries(${target} PRIVATE ${network})
  pulp_strict_c99(${target})
  if(COMMAND pulp_finish_program) # of the platform
    pulp_finish_program(${target})
  endif()
endfunction()
