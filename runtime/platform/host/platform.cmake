# Cluster cores are threads.
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.c ${CMAKE_CURRENT_LIST_DIR}/../common/*.c
     ${CMAKE_CURRENT_LIST_DIR}/../../accel/*/model/*.c)
target_sources(pulp_platform PRIVATE ${sources})
target_compile_definitions(pulp_platform PRIVATE _POSIX_C_SOURCE=200809L) # pthread barriers
target_compile_options(pulp_platform PUBLIC -pthread)
target_link_options(pulp_platform PUBLIC -pthread)
