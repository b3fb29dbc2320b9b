// Whether the message that came last was compressed: gRPC C++ tells that to its own tests only.
#pragma once
#include <grpcpp/grpcpp.h>

#include <cstdint>

// Exported by libgrpc, declared in no header that it installs.
uint32_t grpc_call_test_only_get_message_flags(grpc_call *call);

namespace grpc {
namespace testing {

// Set on a message that was inflated, and on one that is left as it came.
constexpr uint32_t kCompressedFlags = 0x40000000u | 0x80000000u;

// The contexts let these two classes, and nobody else, look into them.
class InteropServerContextInspector {
 public:
  static bool WasCompressed(const ServerContextBase &context) {
    return grpc_call_test_only_get_message_flags(context.call_.call) & kCompressedFlags;
  }
};

class InteropClientContextInspector {
 public:
  static bool WasCompressed(const ClientContext &context) {
    return grpc_call_test_only_get_message_flags(context.call_) & kCompressedFlags;
  }
};

}  // namespace testing
}  // namespace grpc
