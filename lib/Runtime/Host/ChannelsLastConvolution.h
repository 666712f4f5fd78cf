//===- ChannelsLastConvolution.h - Convolutions of nhwc images --*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_CHANNELSLASTCONVOLUTION_H
#define AMPC_RUNTIME_HOST_CHANNELSLASTCONVOLUTION_H

#include "Core/ConvolutionShape.h"
#include "Host/HostCall.h"

namespace ampc {

/// A convolution step whose tensors have their channels last: they are copied to
/// where channels come before points, and the result back. The host prefers the
/// other layout, so what counts is that results have its bits.
class ChannelsLastConvolution final : public HostCall {
public:
  /// `channelsFirst` computes the same step in the layout nchw.
  ChannelsLastConvolution(const ConvolutionShape &shape, std::unique_ptr<HostCall> channelsFirst);

  Workspace::Requirement requirement() const override;
  void run(void *const *arguments, const Workspace &workspace, ThreadPool &pool) const override;

private:
  /// Planes [channels, points], or [points, channels] where channels are last: images. Filters
  /// stay: of one channel.
  struct Planes {
    int64_t count, channels, points;
    uint32_t dtype;
    uint64_t bytes() const;
    /// Whether the two orders differ.
    bool isTurned() const { return channels > 1 && points > 1; }
  };

  Planes lhs, rhs, out;
  bool hasBias;
  std::unique_ptr<HostCall> channelsFirst;
};

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_CHANNELSLASTCONVOLUTION_H
