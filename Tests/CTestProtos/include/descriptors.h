#pragma once
#include <stddef.h>
#include <stdint.h>

/// The FileDescriptorSet of the protos of tests and of gRPC's own services; `*count` becomes its size in bytes.
const uint8_t *handoff_test_descriptors(size_t *count);
