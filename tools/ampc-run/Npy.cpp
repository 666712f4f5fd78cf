//===- Npy.cpp - One array of a .npy file ---------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Npy.h"
#include "Error.h"
#include "ampc-numbers/CheckedMath.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

using namespace ampc::run;

namespace {

constexpr char magic[] = "\x93NUMPY";
constexpr size_t magicBytes = 6;
// Headers have about 100 bytes; only records with many fields need more.
constexpr size_t maxHeaderBytes = 1 << 16;
constexpr size_t maxRank = 32; // numpy's, before 2.0

/// The Python literal of the header, which has one form only:
/// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
public:
  explicit HeaderParser(std::string_view text) : text(text) {}

  /// False where the text is no header; `problem` then says why.
  bool parse(NpyHeader &header, std::string &problem);

private:
  void skipSpace() {
    while (!text.empty() && (text[0] == ' ' || text[0] == '\n'))
      text.remove_prefix(1);
  }
  bool take(std::string_view token) {
    skipSpace();
    if (text.substr(0, token.size()) != token)
      return false;
    text.remove_prefix(token.size());
    return true;
  }
  std::optional<std::string_view> takeString();
  bool takeShape(std::vector<int64_t> &shape);
  bool takeDescr(NpyHeader &header, std::string &problem);

  std::string_view text;
};

std::optional<std::string_view> HeaderParser::takeString() {
  skipSpace();
  if (text.empty() || (text[0] != '\'' && text[0] != '"'))
    return std::nullopt;
  size_t end = text.find(text[0], 1);
  if (end == std::string_view::npos)
    return std::nullopt;
  std::string_view result = text.substr(1, end - 1);
  if (result.find('\\') != std::string_view::npos)
    return std::nullopt;
  text.remove_prefix(end + 1);
  return result;
}

bool HeaderParser::takeShape(std::vector<int64_t> &shape) {
  if (!take("("))
    return false;
  bool comma = true;
  while (!take(")")) {
    int64_t dim = 0;
    skipSpace();
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), dim);
    if (!comma || error != std::errc() || dim < 0 || shape.size() == maxRank)
      return false;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    shape.push_back(dim);
    comma = take(",");
  }
  // "(3)" is a number in Python, not a tuple.
  return shape.size() != 1 || comma;
}

bool HeaderParser::takeDescr(NpyHeader &header, std::string &problem) {
  skipSpace();
  if (!text.empty() && text[0] == '[') {
    problem = "is an array of records; save each field as an array of its own";
    return false;
  }
  std::optional<std::string_view> descr = takeString();
  if (!descr)
    return false;
  if (std::optional<ElementType> type = typeOfNpyDescr(*descr)) {
    header.type = *type;
    return true;
  }
  problem = "has dtype " + quoted(*descr);
  char kind = descr->size() > 1 ? (*descr)[1] : '\0';
  if (kind == 'O')
    problem += ", Python objects; unpickling them would run code";
  else if (!descr->empty() && (*descr)[0] == '>')
    problem += ", big-endian; convert it with array.astype(" +
               quoted("<" + std::string(descr->substr(1))) + ")";
  else
    problem += "; only bool, integers and float16 to float64 can be read";
  if (kind == 'V' || *descr == "<f1") // of ml_dtypes, which does not say which
    problem += "; save bfloat16 and narrower floats as float32, narrower integers as int8 or uint8";
  return false;
}

bool HeaderParser::parse(NpyHeader &header, std::string &problem) {
  bool hasDescr = false, hasOrder = false, hasShape = false, comma = true;
  if (!take("{"))
    return false;
  while (!take("}")) {
    std::optional<std::string_view> key = takeString();
    if (!comma || !key || !take(":"))
      return false;
    if (*key == "descr" && !hasDescr) {
      hasDescr = true;
      if (!takeDescr(header, problem))
        return false;
    } else if (*key == "fortran_order" && !hasOrder) {
      hasOrder = true;
      header.fortranOrder = take("True");
      if (!header.fortranOrder && !take("False"))
        return false;
    } else if (*key == "shape" && !hasShape) {
      hasShape = true;
      if (!takeShape(header.shape))
        return false;
    } else {
      return false;
    }
    comma = take(",");
  }
  skipSpace();
  return hasDescr && hasOrder && hasShape && text.empty();
}

/// Walks an array in column-major order and tells each element's row-major
/// place.
class Transposer {
public:
  explicit Transposer(const std::vector<int64_t> &shape)
      : shape(shape), strides(shape.size()), index(shape.size()) {
    int64_t stride = 1;
    for (size_t d = shape.size(); d-- > 0; stride *= shape[d])
      strides[d] = stride;
  }

  /// The row-major place of the current element.
  int64_t place() const { return offset; }
  /// Goes on to the next element in column-major order.
  void advance() {
    for (size_t d = 0; d < shape.size(); ++d) {
      offset += strides[d];
      if (++index[d] < shape[d])
        return;
      offset -= strides[d] * shape[d];
      index[d] = 0;
    }
  }

private:
  const std::vector<int64_t> &shape;
  std::vector<int64_t> strides, index;
  int64_t offset = 0;
};

std::vector<int64_t> indicesOf(uint64_t position, const NpyHeader &header) {
  std::vector<int64_t> index(header.shape.size());
  for (size_t i = 0; i < index.size(); ++i) {
    size_t d = header.fortranOrder ? i : index.size() - 1 - i;
    auto dim = static_cast<uint64_t>(header.shape[d]);
    index[d] = static_cast<int64_t>(position % dim);
    position /= dim;
  }
  return index;
}

} // namespace

void FileSource::read(void *target, size_t count) {
  file.readAt(offset, target, count);
  offset += count;
}

void NpyReader::fail(const std::string &message) const {
  throw Error(file, "array " + quoted(array) + " " + message);
}

void NpyReader::failToFit(uint64_t position, const void *element, ElementType type) const {
  std::string remedy = parsed.type == ElementType::Bool ? " (a byte other than 0 and 1)" : "";
  fail("holds " + elementText(parsed.type, element) + " at index " +
       shapeText(indicesOf(position, parsed)) + ", which does not fit " + elementName(type) +
       remedy);
}

NpyReader::NpyReader(ByteSource &source, std::string fileName, std::string arrayName)
    : source(source), file(std::move(fileName)), array(std::move(arrayName)) {
  unsigned char start[magicBytes + 2 + 4];
  if (source.remaining() < sizeof start)
    fail("is cut off in its header");
  source.read(start, magicBytes + 2);
  if (std::memcmp(start, magic, magicBytes) != 0)
    fail("is not in numpy's format: it does not start with \\x93NUMPY");
  int version = start[magicBytes];
  if (version < 1 || version > 3 || start[magicBytes + 1] != 0)
    fail("has version " + std::to_string(version) + "." + std::to_string(start[magicBytes + 1]) +
         " of numpy's format; 1.0, 2.0 and 3.0 can be read");
  size_t lengthBytes = version == 1 ? 2 : 4;
  source.read(start, lengthBytes);
  size_t length = 0;
  for (size_t i = 0; i < lengthBytes; ++i)
    length |= size_t(start[i]) << (8 * i);
  if (length > maxHeaderBytes)
    fail("has a header of " + std::to_string(length) + " bytes; at most " +
         std::to_string(maxHeaderBytes) + " are read");
  if (length > source.remaining())
    fail("is cut off in its header");
  std::string text(length, '\0');
  source.read(text.data(), length);

  std::string problem;
  if (!HeaderParser(text).parse(parsed, problem))
    fail(problem.empty() ? "has a header that numpy does not write: " + quoted(text) : problem);
  std::optional<uint64_t> bytes = elementCount(parsed.shape);
  if (bytes)
    bytes = checkedMul(*bytes, elementSize(parsed.type));
  if (!bytes || *bytes != source.remaining())
    fail("has shape " + shapeText(parsed.shape) + " of " + elementName(parsed.type) +
         ", which does not match its " + std::to_string(source.remaining()) + " bytes of data");
  parsed.dataBytes = *bytes;
}

Array NpyReader::read(ElementType type) {
  if (!isConvertible(parsed.type, type))
    fail(std::string("has dtype ") + elementName(parsed.type) + ", but " +
         (arrayType(type) == ElementType::F32 && type != ElementType::F32
              ? std::string(elementName(type)) + ", read from float32,"
              : elementName(type)) +
         " is wanted");
  size_t fromSize = elementSize(parsed.type), toSize = elementSize(type);
  uint64_t count = parsed.dataBytes / fromSize;
  std::optional<uint64_t> bytes = checkedMul(count, toSize);
  if (!bytes)
    fail("is too large");
  Array result{type, parsed.shape, std::unique_ptr<char[]>(new char[*bytes])};

  constexpr size_t chunkBytes = 1 << 18; // a multiple of every element size
  std::unique_ptr<char[]> chunk(new char[std::min<uint64_t>(chunkBytes, parsed.dataBytes)]);
  for (uint64_t done = 0; done < count;) {
    size_t part = std::min<uint64_t>(count - done, chunkBytes / fromSize);
    source.read(chunk.get(), part * fromSize);
    size_t fitting =
        convertElements(parsed.type, chunk.get(), type, result.data.get() + done * toSize, part);
    if (fitting < part)
      failToFit(done + fitting, chunk.get() + fitting * fromSize, type);
    done += part;
  }
  source.finish();
  if (!parsed.fortranOrder || parsed.shape.size() < 2 || count == 0)
    return result;

  std::unique_ptr<char[]> rowMajor(new char[*bytes]);
  Transposer transposer(parsed.shape);
  for (uint64_t i = 0; i < count; ++i, transposer.advance())
    std::memcpy(rowMajor.get() + transposer.place() * toSize, result.data.get() + i * toSize,
                toSize);
  result.data = std::move(rowMajor);
  return result;
}

std::string ampc::run::formatNpyHeader(ElementType type, const std::vector<int64_t> &shape) {
  std::string text = "{'descr': '";
  text += npyDescr(type);
  text += "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  text += shape.size() == 1 ? ",), }" : "), }";
  // The data starts at a multiple of 64.
  size_t start = magicBytes + 4;
  text.append(63 - (start + text.size()) % 64, ' ');
  text += '\n';
  std::string header(magic, magicBytes);
  header +=
      {'\1', '\0', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return header + text;
}
