//===- NpzTest.cpp - Tests of the .npz reader and writer ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ArrayFiles.h"
#include "Error.h"
#include "NpzReader.h"
#include "NpzWriter.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <random>

using namespace ampc::run;
using namespace ampc::test;

namespace {

using Floats = std::vector<float>;
using Arrays = std::map<std::string, Floats>;

/// Reads all arrays, as f32.
Arrays readAll(const std::string &path) {
  Arrays arrays;
  NpzReader archive(path);
  for (const NpzReader::Member &member : archive.members()) {
    std::unique_ptr<ByteSource> source = archive.open(member);
    Array array = NpyReader(*source, path, member.name).read(ElementType::F32);
    Floats values(*elementCount(array.shape));
    if (!values.empty())
      std::memcpy(values.data(), array.data.get(), values.size() * sizeof(float));
    arrays[member.name] = values;
  }
  return arrays;
}

class Npz : public testing::Test {
protected:
  Arrays read(const std::string &bytes) { return readAll(folder.write("data.npz", bytes)); }
  std::string errorOf(const std::string &bytes) {
    try {
      read(bytes);
    } catch (const Error &error) {
      EXPECT_EQ(error.subject, folder.path("data.npz"));
      EXPECT_EQ(error.exitCode, ExitDiagnosed);
      return error.what();
    }
    return "no error";
  }

  TemporaryFolder folder;
  const Floats a{1, 2, 3}, b{-4, 5.5f};
  const std::vector<std::pair<std::string, std::string>> members{
      {"a.npy", npy("<f4", "(3,)", bytesOf(a))}, {"/fc/b:0.npy", npy("<f4", "(2,)", bytesOf(b))}};
};

void put(std::string &bytes, size_t at, uint64_t value, int count) {
  for (int i = 0; i < count; ++i)
    if (at + size_t(i) < bytes.size())
      bytes[at + size_t(i)] = static_cast<char>(value >> (8 * i));
}

} // namespace

TEST_F(Npz, ReadsEveryStyle) {
  const Arrays expected{{"a", a}, {"/fc/b:0", b}};
  for (bool deflates : {false, true})
    for (bool streams : {false, true})
      for (bool zip64 : {false, true})
        EXPECT_EQ(read(npz(members, {deflates, streams, zip64, ""})), expected)
            << deflates << streams << zip64;
  EXPECT_EQ(read(npz(members, {false, false, false, "a comment"})), expected);
  EXPECT_EQ(read(npz({})), Arrays());
}

TEST_F(Npz, SkipsMembersThatAreNoArrays) {
  EXPECT_EQ(read(npz({{"readme.txt", "hello"}, members[0], {"npy", ""}})), (Arrays{{"a", a}}));
}

TEST_F(Npz, ReadsLargeDeflatedArrays) {
  // More than one buffer of packed and of unpacked bytes.
  Floats large(300000);
  std::mt19937 random(1);
  for (float &value : large)
    value = float(random() % 100);
  EXPECT_EQ(read(npz({{"x.npy", npy("<f4", "(300000,)", bytesOf(large))}},
                     {true, false, false, ""}))["x"],
            large);
}

TEST_F(Npz, RefusesTheSameNameTwice) {
  EXPECT_EQ(errorOf(npz({members[0], members[0]})),
            "is no readable .npz archive: it holds 'a.npy' twice");
}

TEST_F(Npz, RefusesWhatIsNoArchive) {
  EXPECT_EQ(errorOf(""), "is no readable .npz archive: it does not start as a zip file does");
  EXPECT_EQ(errorOf(members[0].second),
            "is no readable .npz archive: it does not start as a zip file does");
  EXPECT_EQ(errorOf(std::string("PK\3\4") + std::string(100, '\0')),
            "is no readable .npz archive: it has no directory at its end: the "
            "file is cut off");
}

TEST_F(Npz, RefusesEncryptionAndOtherMethods) {
  std::string bytes = npz({members[0]});
  size_t entry = bytes.find("PK\1\2");
  std::string encrypted = bytes, packed = bytes;
  encrypted[entry + 8] = 1;
  packed[entry + 10] = 14;
  EXPECT_EQ(errorOf(encrypted), "is no readable .npz archive: array 'a' is encrypted");
  EXPECT_EQ(errorOf(packed), "is no readable .npz archive: array 'a' is packed with method 14; "
                             "save it with numpy.savez or numpy.savez_compressed");
}

TEST_F(Npz, RefusesSizesThatDeflateCannotReach) {
  std::string bytes = npz({members[0]}, {true, false, false, ""});
  put(bytes, bytes.find("PK\1\2") + 24, 0xfffffff0, 4);
  EXPECT_NE(errorOf(bytes).find("cannot unpack"), std::string::npos);
}

TEST_F(Npz, ChecksTheCrc) {
  for (bool deflates : {false, true}) {
    std::string bytes = npz({members[0]}, {deflates, false, false, ""});
    bytes[bytes.find("PK\1\2") + 16] ^= 1;
    EXPECT_EQ(errorOf(bytes), "array 'a' is damaged: its CRC is not the one "
                              "that the directory holds");
  }
  std::string bytes = npz({members[0]});
  bytes[bytes.find(bytesOf(a))] ^= 1;
  EXPECT_EQ(errorOf(bytes), "array 'a' is damaged: its CRC is not the one that "
                            "the directory holds");
}

TEST_F(Npz, DeflatedDataMustHaveTheSizeSaid) {
  std::string tooLong = npz({{"a.npy", members[0].second + "more"}}, {true, false, false, ""});
  put(tooLong, tooLong.find("PK\1\2") + 24, members[0].second.size(), 4);
  EXPECT_EQ(errorOf(tooLong), "array 'a' is damaged: it unpacks to more bytes "
                              "than the directory says");
}

TEST_F(Npz, RefusesNamesThatDiffer) {
  std::string bytes = npz({members[0]});
  bytes[30] = 'z';
  EXPECT_EQ(errorOf(bytes), "is no readable .npz archive: array 'a' is called "
                            "'z.npy' where its data lie");
}

// Whatever is cut off or changed, the reader gives the right arrays or an
// error: the sanitizers see the rest.
TEST_F(Npz, SurvivesDamage) {
  const Arrays expected{{"a", a}, {"/fc/b:0", b}};
  const NpzStyle styles[] = {{false, false, false, ""},
                             {true, false, false, ""},
                             {true, true, false, "c"},
                             {false, false, true, ""}};
  std::mt19937 random(2);
  size_t errors = 0;
  for (const NpzStyle &style : styles) {
    const std::string whole = npz(members, style);
    for (size_t length = 0; length < whole.size(); ++length)
      EXPECT_NE(errorOf(whole.substr(0, length)), "no error") << length;
    for (size_t at = 0; at < whole.size(); ++at)
      for (unsigned change : {0x01u, 0x80u, 0xffu, unsigned(random() | 1)}) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ change);
        try {
          // Names, times and comments carry no data: they may change unnoticed.
          for (const auto &[name, values] : read(damaged))
            EXPECT_TRUE(values == a || values == b) << at;
        } catch (const Error &error) {
          ++errors;
        }
      }
  }
  EXPECT_GT(errors, 1000u);
}

TEST_F(Npz, SurvivesLyingNumbers) {
  const uint64_t lies[] = {0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, ~0ull, 1ull << 63};
  for (bool zip64 : {false, true}) {
    const std::string whole = npz(members, {true, false, zip64, ""});
    for (size_t at = whole.find("PK\1\2"); at < whole.size(); ++at)
      for (uint64_t lie : lies)
        for (int width : {2, 4, 8}) {
          std::string damaged = whole;
          put(damaged, at, lie, width);
          try {
            for (const auto &[name, values] : read(damaged))
              EXPECT_TRUE(values == a || values == b) << at;
          } catch (const Error &) {
          }
        }
  }
}

TEST_F(Npz, WritesWhatItReads) {
  std::string path = folder.path("out.npz");
  {
    NpzWriter writer(path, {{"y", ElementType::F32, {2, 2}},
                            {"é", ElementType::I8, {0}},
                            {"/loss", ElementType::F32, {3}}});
    float loss[] = {1, 0.5f, 0.25f}, y[] = {1, 2, 3, 4};
    writer.append(0, y, 8);
    writer.append(2, loss, 4);
    writer.append(0, y + 2, 8);
    writer.append(2, loss + 1, 8);
    EXPECT_EQ(readFile(path), "");
    writer.commit();
  }
  EXPECT_EQ(readAll(path), (Arrays{{"y", {1, 2, 3, 4}}, {"é", {}}, {"/loss", {1, 0.5f, 0.25f}}}));
  EXPECT_EQ(folder.list(), std::vector<std::string>{"out.npz"});
}

TEST_F(Npz, AFailedWriterLeavesNoFile) {
  std::string path = folder.write("out.npz", "old");
  float value = 1;
  {
    NpzWriter writer(path, {{"y", ElementType::F32, {2}}});
    writer.append(0, &value, 4);
    EXPECT_THROW(writer.append(0, &value, 8), Error);
    EXPECT_THROW(writer.commit(), Error);
  }
  EXPECT_EQ(readFile(path), "old");
  EXPECT_EQ(folder.list(), std::vector<std::string>{"out.npz"});
  EXPECT_THROW(NpzWriter(path, {{"y", ElementType::F64, {1ll << 61, 8}}}), Error);
  EXPECT_EQ(folder.list(), std::vector<std::string>{"out.npz"});
}
