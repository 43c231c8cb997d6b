# The programs of the contracts' tests: unit_tests (mathematics, without a device) and parity_tests (one source, run over
# every backend that is there). A process for each case would spend its time on starting up, so each is one test.
find_package(GTest REQUIRED)

function(cuebm_test_program name)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${ARGV1}/*.cpp)
    add_executable(${name} ${sources} ${PROJECT_SOURCE_DIR}/tests/support/backends.cpp)
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/src
        ${PROJECT_SOURCE_DIR}/kernels)
    # The reference and the shared mathematics are exact only without contraction. -O1: these compile longer than they run.
    target_compile_options(${name} PRIVATE -Wall -Wextra -Wconversion -Werror -ffp-contract=off -O1)
    target_link_libraries(${name} PRIVATE cuebm GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
endfunction()
cuebm_test_program(unit_tests unit)
cuebm_test_program(parity_tests parity)
# What is no plug-in for this library, for the tests of what it then says.
foreach(stub other_plugin no_plugin)
    add_library(cuebm_test_${stub} MODULE ${PROJECT_SOURCE_DIR}/tests/support/${stub}.cpp)
    target_include_directories(cuebm_test_${stub} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/kernels
        ${PROJECT_SOURCE_DIR}/include)
    string(TOUPPER ${stub} STUB)
    target_compile_definitions(parity_tests PRIVATE CUEBM_TEST_${STUB}="$<TARGET_FILE:cuebm_test_${stub}>")
    add_dependencies(parity_tests cuebm_test_${stub})
endforeach()
target_link_libraries(parity_tests PRIVATE ${CMAKE_DL_LIBS})
# An array that no machine can give is refused, not fatal, under AddressSanitizer too.
set_property(TEST parity_tests APPEND PROPERTY ENVIRONMENT "ASAN_OPTIONS=allocator_may_return_null=1")

# cuRAND's generator on the host is a second opinion on Philox; it needs no GPU.
find_package(CUDAToolkit QUIET)
if(TARGET CUDA::curand AND NOT CUEBM_SANITIZE)
    target_compile_definitions(unit_tests PRIVATE CUEBM_TEST_CURAND)
    target_link_libraries(unit_tests PRIVATE CUDA::curand)
endif()
