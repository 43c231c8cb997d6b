# The library: the host side in src/ and the CPU's kernels.
find_package(Threads REQUIRED)
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.cpp ${PROJECT_SOURCE_DIR}/kernels/cpu/*.cpp)
add_library(cuebm SHARED ${sources})
add_library(cuebm::cuebm ALIAS cuebm)
target_include_directories(cuebm
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/kernels)
target_compile_features(cuebm PUBLIC cxx_std_20)
# Before 1.0 a minor version may change the interface.
set_target_properties(cuebm PROPERTIES VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_link_libraries(cuebm PRIVATE Threads::Threads ${CMAKE_DL_LIBS})

# Standard templates have default visibility, whatever -fvisibility says: the version script hides them.
target_link_options(cuebm PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/exported.map)
set_property(TARGET cuebm APPEND PROPERTY LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exported.map)
if(NOT CUEBM_SANITIZE)
    target_link_options(cuebm PRIVATE -Wl,--no-undefined)
else()  # ifunc resolvers run before the sanitizers' runtime is up
    target_compile_definitions(cuebm PRIVATE CUEBM_ONE_ISA)
endif()

if(CUEBM_TBB)
    find_package(TBB REQUIRED)
    target_link_libraries(cuebm PRIVATE TBB::tbb)
    target_compile_definitions(cuebm PRIVATE CUEBM_TBB)
endif()

# Kernels for one instruction set are told by their file's name; src/ picks one when the library is used.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    file(GLOB avx2 ${PROJECT_SOURCE_DIR}/kernels/cpu/*avx2.cpp)
    file(GLOB avx512 ${PROJECT_SOURCE_DIR}/kernels/cpu/*avx512.cpp)
    set_source_files_properties(${avx2} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
    set_source_files_properties(${avx512} PROPERTIES COMPILE_OPTIONS "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx2;-mfma")
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/kernels/cpu/CMakeLists.txt)  # sets its own flags on its own files
    add_subdirectory(kernels/cpu)
endif()
