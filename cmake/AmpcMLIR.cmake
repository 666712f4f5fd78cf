# Finds MLIR 22 and says how ampc's compiler libraries are built against it.

# Debian keeps each LLVM in a prefix of its own, which CMake does not search.
find_package(MLIR 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
find_package(ZLIB REQUIRED) # LLD's targets name both without finding them
find_package(zstd REQUIRED)
find_package(LLD REQUIRED CONFIG HINTS ${LLVM_DIR}/../lld)

list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)

include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
include_directories(${PROJECT_BINARY_DIR}/include)

# One precompiled header for all libraries: MLIR's headers cost six seconds a file.
if(AMPC_PCH)
  file(WRITE ${PROJECT_BINARY_DIR}/ampc_pch.cpp "// Carries the precompiled header.\n")
  add_library(ampc-pch OBJECT ${PROJECT_BINARY_DIR}/ampc_pch.cpp)
  target_precompile_headers(ampc-pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/Precompiled.h)
  target_compile_options(ampc-pch PRIVATE -fno-rtti)
  target_compile_definitions(ampc-pch PRIVATE ${LLVM_DEFINITIONS_LIST})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(ampc-pch PRIVATE -fpch-instantiate-templates)
  endif()
endif()

# ampc_library(Name sources... [LINK libs...]): the static library ampcName, without
# RTTI as LLVM is, with the precompiled header, after TableGen has run.
function(ampc_library name)
  cmake_parse_arguments(ARG "NO_PCH" "" "LINK" ${ARGN})
  add_library(ampc${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  add_dependencies(ampc${name} ampc-tblgen)
  target_compile_options(ampc${name} PRIVATE -fno-rtti)
  target_link_libraries(ampc${name} PUBLIC ${ARG_LINK})
  if(AMPC_PCH AND NOT ARG_NO_PCH)
    target_precompile_headers(ampc${name} REUSE_FROM ampc-pch)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      target_compile_options(ampc${name} PRIVATE -fpch-instantiate-templates)
    endif()
  endif()
endfunction()
