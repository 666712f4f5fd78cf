//===- Table.h - Text in columns ------------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_TABLE_H
#define AMPC_RUN_TABLE_H

#include <string>
#include <vector>

namespace ampc::run {

/// Rows of text, lined up in columns.
class Table {
public:
  /// Columns of numbers are lined up at their right.
  void addColumn(std::string title, bool isNumber);
  /// As many cells as there are columns.
  void addRow(std::vector<std::string> cells);
  /// Every line begins with two spaces; long cells are cut.
  std::string text() const;

private:
  struct Column {
    std::string title;
    bool isNumber;
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};

/// "640", "1.5 KiB", "2.3 GiB".
std::string formatBytes(double bytes);
/// "640", "1.5 k", "2.3 G".
std::string formatCount(double count);

} // namespace ampc::run

#endif // AMPC_RUN_TABLE_H
