# What holds for every target of this project: language, warnings, sanitizers, and where outputs lie.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)  # clang-tidy reads them
set(CMAKE_COMPILE_WARNING_AS_ERROR ${CUEBM_WARNINGS_AS_ERRORS})

# One folder for libraries and one for programs: the plug-in is looked for beside the library, and the two
# folders can be carried to another machine.
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
set(CMAKE_BUILD_RPATH $ORIGIN $ORIGIN/../lib)

# The contract "same bits" needs: no contraction but where fma is written.
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wconversion;-ffp-contract=off;-fno-math-errno>")

if(CMAKE_UNITY_BUILD)  # where no source is a main file, and so nothing of an anonymous namespace is its own
    add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>")
endif()

if(CUEBM_SANITIZE STREQUAL "address")
    # AddressSanitizer sees a null pointer and a wrong size when they are used. Without UBSan's checks of each, and with
    # calls in place of code at each access, the largest kernel (energy_base.cpp) takes 27 s to compile instead of 78.
    set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
        -fno-sanitize=null,object-size,vptr,returns-nonnull-attribute,nonnull-attribute,pointer-overflow)
    add_compile_definitions(_GLIBCXX_ASSERTIONS)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        list(APPEND sanitizers --param=asan-instrumentation-with-call-threshold=0)
    endif()
elseif(CUEBM_SANITIZE STREQUAL "thread")
    set(sanitizers -fsanitize=thread)
elseif(CUEBM_SANITIZE)
    message(FATAL_ERROR "CUEBM_SANITIZE: got ${CUEBM_SANITIZE}, wanted address or thread")
endif()
if(CUEBM_SANITIZE)  # g++ 12: chains.cu, emulated, 61 s to 25; energy_base.cpp 31 s to 18
    list(APPEND sanitizers -DCUEBM_MATH_CALLS)
endif()
if(CUEBM_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND sanitizers -Wno-maybe-uninitialized)  # instrumented code raises it falsely
endif()
get_directory_property(unsanitized COMPILE_OPTIONS)  # what the tests themselves are compiled with
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:${sanitizers}>")
add_link_options(${sanitizers})

if(CUEBM_CUDA)
    if(NOT CMAKE_CUDA_ARCHITECTURES)
        set(CMAKE_CUDA_ARCHITECTURES "80-real;90-real;100-real;100-virtual" CACHE STRING "Ampere, Hopper, Blackwell, PTX")
    endif()
    enable_language(CUDA)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25.1 (Debian 12) does not know CUDA C++20
        set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
        list(APPEND CMAKE_CUDA_COMPILE_FEATURES cuda_std_20)
    endif()
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
endif()
