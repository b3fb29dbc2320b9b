#include "descriptors.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const uint8_t descriptors[] = {
#embed "descriptors.binpb"
};

const uint8_t *handoff_test_descriptors(size_t *count) {
  *count = sizeof descriptors;
  return descriptors;
}
