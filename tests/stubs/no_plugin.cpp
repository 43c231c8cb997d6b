// A shared library that is no plug-in, for tests.
extern "C" __attribute__((visibility("default"))) int cuebm_test_no_plugin() { return 1; }
