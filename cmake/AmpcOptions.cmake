# Flags for all of ampc's own code.

include_directories(${PROJECT_SOURCE_DIR}/include)
add_compile_options(-Wall -Wextra -Wno-unused-parameter)

if(AMPC_SANITIZE)
  add_compile_options(-fsanitize=${AMPC_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${AMPC_SANITIZE})
endif()

find_program(AMPC_LLD NAMES ld.lld-22)
if(AMPC_LLD AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(--ld-path=${AMPC_LLD})
endif()
