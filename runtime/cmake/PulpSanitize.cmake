# pulp_sanitize(<target>): compiles and links the target, and all that link it, with the sanitizers of
# PULP_SANITIZE (ON, thread or OFF); any finding ends the program.
function(pulp_sanitize target)
  if(PULP_SANITIZE STREQUAL "thread")
    set(flags -fsanitize=thread)
  elseif(PULP_SANITIZE)
    set(flags -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  else()
    return()
  endif()
  target_compile_options(${target} PUBLIC ${flags})
  target_link_options(${target} PUBLIC ${flags})
endfunction()
