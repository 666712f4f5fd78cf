# Flags for all of ampc's own code.

include_directories(${PROJECT_SOURCE_DIR}/include)
add_compile_options(-Wall -Wextra -Wno-unused-parameter)

if(AMPC_SANITIZE)
  add_compile_options(-fsanitize=${AMPC_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${AMPC_SANITIZE})
endif()

# Coverage for libFuzzer, whose main only the fuzzers link.
if(AMPC_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "AMPC_FUZZ needs clang, and its runtime: utils/setup libclang-rt-22-dev")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()

find_program(AMPC_LLD NAMES ld.lld-22)
if(AMPC_LLD AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(--ld-path=${AMPC_LLD})
endif()
