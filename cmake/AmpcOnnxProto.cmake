# Finds ONNX's schema, and compiles it with protoc into the static library ampcOnnxProto.
#
# AMPC_ONNX_PROTO  path of onnx-ml.proto; by default that of the pinned wheel, which
#                  utils/setup puts into .venv

if(NOT AMPC_ONNX_PROTO)
  file(GLOB candidates
    ${PROJECT_SOURCE_DIR}/.venv/lib/python*/site-packages/onnx/onnx-ml.proto)
  set(found AMPC_ONNX_PROTO-NOTFOUND)
  if(candidates)
    list(GET candidates 0 found)
  endif()
  set(AMPC_ONNX_PROTO ${found} CACHE FILEPATH "ONNX's schema, onnx-ml.proto" FORCE)
endif()
if(NOT EXISTS "${AMPC_ONNX_PROTO}")
  message(FATAL_ERROR
    "ONNX's schema onnx-ml.proto was not found (${AMPC_ONNX_PROTO}). Run utils/setup, which "
    "installs it into ${PROJECT_SOURCE_DIR}/.venv, or give its path: "
    "-DAMPC_ONNX_PROTO=/path/to/onnx-ml.proto")
endif()

set(Protobuf_USE_STATIC_LIBS ON) # the compiler then runs where protobuf is not installed
find_package(Protobuf)
if(NOT Protobuf_LITE_LIBRARY OR NOT Protobuf_PROTOC_EXECUTABLE)
  message(FATAL_ERROR "protobuf and its compiler were not found. Run utils/setup, or install "
    "libprotobuf-dev and protobuf-compiler.")
endif()

# The package is renamed: a process that also loads another copy of ONNX's schema (a Python
# wheel, ONNX Runtime) would otherwise find every message defined twice.
set(directory ${PROJECT_BINARY_DIR}/include/onnx-proto)
set(schema ${directory}/ampc_onnx.proto)
file(MAKE_DIRECTORY ${directory})
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${AMPC_ONNX_PROTO})
file(READ ${AMPC_ONNX_PROTO} text)
string(REGEX REPLACE "\npackage onnx;" "\npackage ampc_onnx;" renamed "${text}")
if(renamed STREQUAL text)
  message(FATAL_ERROR "${AMPC_ONNX_PROTO} is not ONNX's schema: it has no 'package onnx;'")
endif()
if(NOT renamed MATCHES "LITE_RUNTIME")
  string(APPEND renamed "\noption optimize_for = LITE_RUNTIME;\n")
endif()
file(CONFIGURE OUTPUT ${schema} CONTENT "@renamed@" @ONLY)

add_custom_command(
  OUTPUT ${directory}/ampc_onnx.pb.cc ${directory}/ampc_onnx.pb.h
  COMMAND ${Protobuf_PROTOC_EXECUTABLE} --cpp_out=${directory} -I ${directory} ${schema}
  DEPENDS ${schema}
  COMMENT "Compiling ONNX's schema")
add_library(ampcOnnxProto STATIC ${directory}/ampc_onnx.pb.cc ${directory}/ampc_onnx.pb.h)
target_include_directories(ampcOnnxProto SYSTEM PUBLIC ${directory} ${Protobuf_INCLUDE_DIRS})
# Compiled as LLVM is, without RTTI, since everything that includes the header is.
target_compile_options(ampcOnnxProto PRIVATE -fno-rtti -w)
target_link_libraries(ampcOnnxProto PUBLIC ${Protobuf_LITE_LIBRARY})
