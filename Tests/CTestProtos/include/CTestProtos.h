#pragma once
#include "descriptors.h"
#include "grpc/testing/empty.pb-c.h"
#include "grpc/testing/messages.pb-c.h"
#include "grpc/testing/test.pb-c.h"
#include "handoff/test/v1/echo.pb-c.h"
#include "handoff/test/v1/everything.pb-c.h"
