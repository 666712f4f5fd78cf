# Installs the runtime, then builds and runs a C program against it, once through
# its CMake package and once through pkg-config.

if(SANITIZE)
  return() # a plain program cannot load a library with sanitizers
endif()
file(REMOVE_RECURSE ${WORK})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD}/lib/Runtime
    --prefix ${WORK}/installed
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)

file(WRITE ${WORK}/program/CMakeLists.txt "
cmake_minimum_required(VERSION 3.20)
project(program C)
find_package(ampc 0.1 REQUIRED)
add_executable(program ${SOURCE}/Header.c)
target_link_libraries(program PRIVATE ampc::runtime)
")
execute_process(COMMAND ${CMAKE_COMMAND} -S ${WORK}/program -B ${WORK}/build -G ${GENERATOR}
    -DCMAKE_PREFIX_PATH=${WORK}/installed -DCMAKE_C_COMPILER=${C}
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/build
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK}/build/program COMMAND_ERROR_IS_FATAL ANY)

find_program(PKG_CONFIG pkg-config)
if(NOT PKG_CONFIG)
  return()
endif()
file(GLOB_RECURSE description ${WORK}/installed/*/ampc.pc)
get_filename_component(folder ${description} DIRECTORY)
get_filename_component(library ${folder} DIRECTORY)
execute_process(COMMAND ${CMAKE_COMMAND} -E env PKG_CONFIG_PATH=${folder}
    ${PKG_CONFIG} --define-variable=prefix=${WORK}/installed --cflags --libs ampc
  OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
execute_process(COMMAND ${C} ${SOURCE}/Header.c ${flags}
    -Wl,-rpath,${library} -o ${WORK}/program/plain
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK}/program/plain COMMAND_ERROR_IS_FATAL ANY)
