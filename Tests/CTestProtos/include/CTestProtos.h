#pragma once
#include "handoff/test/v1/echo.pb-c.h"
#include "handoff/test/v1/everything.pb-c.h"
