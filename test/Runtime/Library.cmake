# Checks libampc_runtime.so itself: its size, what it exports and what it needs.

find_program(NM nm REQUIRED)
find_program(STRIP strip REQUIRED)
find_program(READELF readelf REQUIRED)

execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY}
  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^ \n]+\n" exported "${symbols}")
list(TRANSFORM exported STRIP)
list(SORT exported)
file(READ ${HEADER} header)
string(REGEX MATCHALL "AMPC_API[^(;]*\\(" declared "${header}")
list(TRANSFORM declared REPLACE ".*[ *]([a-z_]+)\\($" "\\1")
list(FILTER declared INCLUDE REGEX "^ampc_") # not the macro's own definition
list(SORT declared)
if(NOT exported STREQUAL declared)
  message(FATAL_ERROR "exported: ${exported}\ndeclared: ${declared}")
endif()

execute_process(COMMAND ${READELF} -d ${LIBRARY}
  OUTPUT_VARIABLE dynamic COMMAND_ERROR_IS_FATAL ANY)
if(NOT dynamic MATCHES "libampc_runtime.so.0")
  message(FATAL_ERROR "its name is not libampc_runtime.so.0")
endif()
if(SANITIZE)
  return()
endif()
string(REGEX MATCHALL "NEEDED[^[]*\\[[^]]*" needed "${dynamic}")
foreach(entry IN LISTS needed)
  if(NOT entry MATCHES "\\[(libstdc\\+\\+|libm|libgcc_s|libc|ld-linux[-a-z0-9_]*)\\.so")
    message(FATAL_ERROR "it needs ${entry}")
  endif()
endforeach()

get_filename_component(name ${LIBRARY} NAME)
execute_process(COMMAND ${STRIP} -o ${name}.stripped ${LIBRARY}
  COMMAND_ERROR_IS_FATAL ANY)
file(SIZE ${name}.stripped bytes)
file(REMOVE ${name}.stripped)
if(bytes GREATER_EQUAL 1048576)
  message(FATAL_ERROR "stripped it has ${bytes} bytes, 1 MiB or more")
endif()
message("${bytes} bytes stripped")
