// The mark of what the shared library exports; everything else is hidden.
#pragma once

#if defined(_WIN32)
#error "cuebm does not build on Windows yet"
#endif
#define CUEBM_API __attribute__((visibility("default")))
