//===- Table.cpp - Text in columns ----------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Table.h"

#include <algorithm>
#include <cstdio>

using namespace ampc::run;

namespace {

constexpr size_t mostColumns = 60;

/// Columns on a terminal, of UTF-8 without wide characters.
size_t widthOf(const std::string &cell) {
  return static_cast<size_t>(
      std::count_if(cell.begin(), cell.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string cut(std::string cell) {
  if (widthOf(cell) <= mostColumns)
    return cell;
  while (widthOf(cell) > mostColumns - 3)
    cell.pop_back();
  return cell + "...";
}

std::string format(double value, double step, const char *const (&units)[5]) {
  size_t unit = 0;
  while (value >= step && unit < 4) {
    value /= step;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit ? "%.1f%s" : "%.0f%s", value, units[unit]);
  return text;
}

} // namespace

void Table::addColumn(std::string title, bool isNumber) {
  columns.push_back({std::move(title), isNumber});
}

void Table::addRow(std::vector<std::string> cells) {
  for (std::string &cell : cells)
    cell = cut(std::move(cell));
  rows.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<size_t> widths;
  std::vector<std::string> titles;
  for (size_t i = 0; i < columns.size(); ++i) {
    titles.push_back(columns[i].title);
    widths.push_back(widthOf(columns[i].title));
    for (const auto &row : rows)
      widths[i] = std::max(widths[i], widthOf(row[i]));
  }
  std::string result;
  auto addLine = [&](const std::vector<std::string> &cells) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      std::string space(widths[i] - widthOf(cells[i]), ' ');
      line += "  " + (columns[i].isNumber ? space + cells[i] : cells[i] + space);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + "\n";
  };
  addLine(titles);
  for (const auto &row : rows)
    addLine(row);
  return result;
}

std::string ampc::run::formatBytes(double bytes) {
  return format(bytes, 1024, {"", " KiB", " MiB", " GiB", " TiB"});
}

std::string ampc::run::formatCount(double count) {
  return format(count, 1000, {"", " k", " M", " G", " T"});
}
