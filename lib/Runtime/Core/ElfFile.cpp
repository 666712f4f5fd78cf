//===- ElfFile.cpp - Finds a section of a shared library ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/ElfFile.h"

#include "Core/Error.h"
#include "ampc-numbers/CheckedMath.h"

#include <cstring>
#include <elf.h>
#include <vector>

namespace ampc {

static Error corrupt(const File &file, const std::string &what) {
  return Error(AMPC_STATUS_CORRUPT, concat("'", file.path(), "' ", what));
}

static Elf64_Ehdr readHeader(const File &file) {
  Elf64_Ehdr header;
  if (file.size() < SELFMAG)
    throw corrupt(file, "is no train.so: it is no ELF shared library");
  char magic[SELFMAG];
  file.read(0, magic, SELFMAG);
  if (std::memcmp(magic, ELFMAG, SELFMAG) != 0)
    throw corrupt(file, "is no train.so: it is no ELF shared library");
  if (file.size() < sizeof(header))
    throw corrupt(file, "is cut short: it ends inside its ELF header");
  file.read(0, &header, sizeof(header));
  return header;
}

void checkElfHeader(const File &file) {
  Elf64_Ehdr header = readHeader(file);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_type != ET_DYN)
    throw corrupt(file, "is no train.so: it is no 64-bit shared library");
#if defined(__x86_64__)
  constexpr unsigned kMachine = EM_X86_64;
#elif defined(__aarch64__)
  constexpr unsigned kMachine = EM_AARCH64;
#else
#error "unknown architecture"
#endif
  if (header.e_machine != kMachine)
    throw Error(AMPC_STATUS_INCOMPATIBLE, concat("'", file.path(),
                                                 "' is for another processor (ELF "
                                                 "machine ",
                                                 header.e_machine, ", this one is ", kMachine,
                                                 "): compile the model on this machine"));
}

std::optional<FileRange> findElfSection(const File &file, const char *name) {
  Elf64_Ehdr header = readHeader(file);
  if (header.e_shoff == 0 || header.e_shnum == 0)
    return std::nullopt;
  if (header.e_shentsize != sizeof(Elf64_Shdr))
    throw corrupt(file, "has ELF section headers of an unknown size");
  uint64_t tableBytes = uint64_t(header.e_shnum) * sizeof(Elf64_Shdr);
  if (!fits(header.e_shoff, tableBytes, file.size()))
    throw corrupt(file, "is cut short: its ELF section headers lie beyond "
                        "its end");
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  file.read(header.e_shoff, sections.data(), tableBytes);
  if (header.e_shstrndx >= sections.size())
    throw corrupt(file, "has no ELF section names");
  const Elf64_Shdr &names = sections[header.e_shstrndx];
  if (!fits(names.sh_offset, names.sh_size, file.size()))
    throw corrupt(file, "is cut short: its ELF section names lie beyond its "
                        "end");

  // Compared with the closing NUL, so that no longer name matches.
  uint64_t nameBytes = std::strlen(name) + 1;
  std::vector<char> candidate(nameBytes);
  for (const Elf64_Shdr &section : sections) {
    if (!fits(section.sh_name, nameBytes, names.sh_size))
      continue;
    file.read(names.sh_offset + section.sh_name, candidate.data(), nameBytes);
    if (std::memcmp(candidate.data(), name, nameBytes) != 0)
      continue;
    if (section.sh_type == SHT_NOBITS || !fits(section.sh_offset, section.sh_size, file.size()))
      throw corrupt(file, concat("is cut short: its section ", name, " lies beyond its end"));
    return FileRange{section.sh_offset, section.sh_size};
  }
  return std::nullopt;
}

} // namespace ampc
