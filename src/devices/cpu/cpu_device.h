// The CPU as a device.
#pragma once

#include "devices/device.h"

namespace autoglm {

const Device& cpu_device();

}  // namespace autoglm
