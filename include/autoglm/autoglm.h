// The whole public API.
#pragma once

#include "autoglm/encoding.h"
#include "autoglm/engine.h"
#include "autoglm/generation.h"
#include "autoglm/limits.h"
#include "autoglm/model.h"
#include "autoglm/result.h"
#include "autoglm/service.h"
#include "autoglm/tools.h"
