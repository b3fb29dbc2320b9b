#include "CHandoffProtos.h"
