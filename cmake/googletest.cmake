# GoogleTest: the system's, or from its sources for a cross build, which has none.
set(CUEBM_GTEST_SOURCE "" CACHE PATH "Sources of GoogleTest (Debian: /usr/src/googletest); empty: the installed one")
include(GoogleTest)
if(CUEBM_GTEST_SOURCE)
    set(INSTALL_GTEST OFF)
    add_subdirectory(${CUEBM_GTEST_SOURCE} gtest EXCLUDE_FROM_ALL)
    target_compile_options(gtest PRIVATE -w -O0)  # 30 s less
    target_compile_options(gmock PRIVATE -w)
else()
    find_package(GTest REQUIRED)
endif()
