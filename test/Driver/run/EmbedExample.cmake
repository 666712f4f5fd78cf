# Builds examples/embed as a user would, against an installed ampc: through its CMake
# package and through pkg-config. Where the compiler is given, the program then trains.
#
#   BUILD_DIR   ampc's build folder        SOURCE_DIR  examples/embed
#   WORK_DIR    a folder of this test      C_COMPILER  the user's C compiler
#   LIBDIR      as installed               AMPC, MODEL the compiler and its model, or none
#   GENERATOR   of the build folder

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result
    OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    string(REPLACE ";" " " command "${ARGN}")
    message(FATAL_ERROR "${command}\nended with ${result}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

set(prefix ${WORK_DIR}/prefix)
file(REMOVE_RECURSE ${WORK_DIR})
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})
run(${CMAKE_COMMAND} -S ${SOURCE_DIR} -B ${WORK_DIR}/build -G ${GENERATOR}
    -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_C_COMPILER=${C_COMPILER}
    "-DCMAKE_C_FLAGS=-Wall -Wextra -pedantic -Werror")
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build)

find_program(PKG_CONFIG NAMES pkg-config pkgconf)
if(PKG_CONFIG)
  set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBDIR}/pkgconfig)
  run(${PKG_CONFIG} --define-variable=prefix=${prefix} --cflags --libs ampc)
  separate_arguments(flags UNIX_COMMAND "${output}")
  run(${C_COMPILER} -std=c11 ${SOURCE_DIR}/train.c -o ${WORK_DIR}/train-pc ${flags}
      -Wl,-rpath,${prefix}/${LIBDIR})
endif()

# Without a train.so, the program says so in one line.
execute_process(COMMAND ${WORK_DIR}/build/train none.so checkpoint
  RESULT_VARIABLE result ERROR_VARIABLE error)
if(NOT result EQUAL 1 OR NOT error MATCHES "^train: error: [^\n]*none.so[^\n]*\n$")
  message(FATAL_ERROR "a missing module gave ${result}: ${error}")
endif()

if(AMPC)
  set(module ${WORK_DIR}/train.so)
  set(checkpoint ${WORK_DIR}/trained.safetensors)
  run(${AMPC} ${MODEL} --batch=100 --optimizer=sgd --lr=0.1 -o ${module})
  run(${WORK_DIR}/build/train ${module} ${checkpoint})
  if(NOT output MATCHES "step 1  loss ([0-9.]+).*step 300  loss ([0-9.]+)")
    message(FATAL_ERROR "unexpected output: ${output}")
  endif()
  set(first ${CMAKE_MATCH_1})
  set(last ${CMAKE_MATCH_2})
  # The loss falls by a third or more.
  string(REPLACE "." "" tenthousandths ${first})
  string(REGEX REPLACE "^0+" "" tenthousandths 0${tenthousandths})
  string(REPLACE "." "" last ${last})
  math(EXPR limit "${tenthousandths} * 2 / 3")
  if(last GREATER limit)
    message(FATAL_ERROR "the loss did not fall by a third: ${output}")
  endif()
  if(NOT EXISTS ${checkpoint})
    message(FATAL_ERROR "no checkpoint was written")
  endif()
endif()
