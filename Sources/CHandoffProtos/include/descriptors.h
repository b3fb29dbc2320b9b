#pragma once
#include <stddef.h>
#include <stdint.h>

/// The FileDescriptorSet of every proto file, for server reflection; `*count` becomes its size in bytes.
const uint8_t *handoff_descriptors(size_t *count);
