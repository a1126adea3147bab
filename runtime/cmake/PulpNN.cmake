# pulp_use_pulp_nn(<target> <folder>): the genuine PULP-NN's kernels (pulp-platform/pulp-nn, 32bit/) in place of
# those of the same function in <target>, the library of our kernels.
#
# Its depthwise kernels keep pointers in ints, so a 64-bit program has ours.

set(PULP_NN_KERNELS
    pulp_nn_conv_Ho_parallel pulp_nn_conv_HoWo_parallel pulp_nn_conv_Co_parallel pulp_nn_pointwise_Ho_parallel
    pulp_nn_pointwise_HoWo_parallel pulp_nn_pointwise_Co_parallel pulp_nn_matmul pulp_nn_linear
    pulp_nn_linear_out_32 pulp_nn_maxpool pulp_nn_utils)
set(PULP_NN_KERNELS_32_BIT pulp_nn_depthwise_generic pulp_nn_depthwise_generic_less_4_weights)
# Our files that hold nothing else than what they replace.
set(PULP_NN_REPLACES conv.c linear.c maxpool.c pointwise.c)
set(PULP_NN_REPLACES_32_BIT depthwise_chw.c)

function(pulp_use_pulp_nn target folder)
  if(NOT EXISTS ${folder}/32bit/src/pulp_nn_matmul.c)
    message(FATAL_ERROR "PULP_NN_DIR is '${folder}', which holds no 32bit/src/pulp_nn_matmul.c")
  endif()
  set(names ${PULP_NN_KERNELS})
  set(replaced ${PULP_NN_REPLACES})
  if(CMAKE_SIZEOF_VOID_P EQUAL 4)
    list(APPEND names ${PULP_NN_KERNELS_32_BIT})
    list(APPEND replaced ${PULP_NN_REPLACES_32_BIT})
  endif()
  get_target_property(sources ${target} SOURCES)
  foreach(file ${replaced})
    list(FILTER sources EXCLUDE REGEX "/${file}$")
  endforeach()
  set_target_properties(${target} PROPERTIES SOURCES "${sources}")

  list(TRANSFORM names PREPEND ${folder}/32bit/src/)
  list(TRANSFORM names APPEND .c)
  add_library(pulp_nn STATIC ${names})
  target_include_directories(pulp_nn PRIVATE kernels/pulp_nn ${folder}/32bit/include)
  target_compile_options(pulp_nn PRIVATE -O2 -w -fwrapv -fno-strict-aliasing -flax-vector-conversions)
  target_link_libraries(pulp_nn PRIVATE pulp_platform)
  target_link_libraries(${target} PUBLIC pulp_nn)
endfunction()
