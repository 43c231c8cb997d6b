# The library: the host side in src/ and the CPU's kernels, compiled once, for libcuebm.so and for the unit tests, which
# look inside.
find_package(Threads REQUIRED)
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.cpp ${PROJECT_SOURCE_DIR}/kernels/cpu/*.cpp)
add_library(cuebm_objects OBJECT ${sources})
# Not joined with others in a unity build: kernels are large, and the rest shares names with its neighbours.
set(alone ${sources})
list(FILTER alone INCLUDE REGEX "kernels/cpu/|src/(running|sample_running|draws_file)\\.cpp$")
set_source_files_properties(${alone} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
target_include_directories(cuebm_objects PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src
    ${PROJECT_SOURCE_DIR}/kernels)
target_link_libraries(cuebm_objects PUBLIC Threads::Threads ${CMAKE_DL_LIBS})
if(CUEBM_TBB)
    find_package(TBB REQUIRED)
    target_link_libraries(cuebm_objects PUBLIC TBB::tbb)
    target_compile_definitions(cuebm_objects PRIVATE CUEBM_TBB)
endif()

# Kernels for one instruction set are told by their file's name; the library picks one when it is used. ThreadSanitizer
# looks at who writes what, which they have in common.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND NOT CUEBM_SANITIZE STREQUAL "thread")
    target_compile_definitions(cuebm_objects PRIVATE CUEBM_X86)
    file(GLOB avx2 kernels/cpu/*_avx2.cpp)
    set_source_files_properties(${avx2} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
    set(avx512 "-mavx512f;-mavx512dq;-mavx512bw;-mavx512vl;-mfma")
    foreach(kind "avx512;" "avx512bf16;-mavx512bf16" "avx512vnni;-mavx512vnni" "amx;-mavx512bf16;-mamx-tile;-mamx-bf16")
        list(POP_FRONT kind name)
        file(GLOB files kernels/cpu/*_${name}.cpp)
        set_source_files_properties(${files} PROPERTIES COMPILE_OPTIONS "${avx512};${kind}")
    endforeach()
else()
    list(FILTER sources EXCLUDE REGEX "_(avx[a-z0-9]*|amx)\\.cpp$")
    set_property(TARGET cuebm_objects PROPERTY SOURCES ${sources})
endif()

add_library(cuebm SHARED)
add_library(cuebm::cuebm ALIAS cuebm)
target_link_libraries(cuebm PRIVATE cuebm_objects)
target_include_directories(cuebm
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(cuebm PUBLIC cxx_std_20)
# Before 1.0 a minor version may change the interface.
set_target_properties(cuebm PROPERTIES LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

# What a file with a user's own energy is compiled with: the lanes' headers, and the library's rounding.
add_library(cuebm_custom INTERFACE)
add_library(cuebm::custom ALIAS cuebm_custom)
set_target_properties(cuebm_custom PROPERTIES EXPORT_NAME custom)
target_link_libraries(cuebm_custom INTERFACE cuebm)
target_include_directories(cuebm_custom INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/kernels> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/cuebm/kernels>)
target_compile_options(cuebm_custom INTERFACE -ffp-contract=off -fno-math-errno)
include(${PROJECT_SOURCE_DIR}/cmake/cuebm-energy.cmake)

# Standard templates have default visibility, whatever -fvisibility says: the version script hides them.
target_link_options(cuebm PRIVATE LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/exported.map)
set_property(TARGET cuebm APPEND PROPERTY LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exported.map)
if(NOT CUEBM_SANITIZE)
    target_link_options(cuebm PRIVATE LINKER:--no-undefined)
endif()
