# cmake --install: headers, the library, the plug-in beside it, find_package(cuebm) and pkg-config.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cuebm)

install(TARGETS cuebm cuebm_custom EXPORT cuebm)
install(DIRECTORY include/cuebm TYPE INCLUDE)
# The lanes' headers, for users' own energies.
install(FILES kernels/cpu/pack.hpp kernels/cpu/pack_words.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cuebm/kernels/cpu)
foreach(part crew custom_energy functions functions_basic functions_circular functions_exponential functions_logarithm lane
        lane_memory platform)
    install(FILES kernels/math/${part}.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cuebm/kernels/math)
endforeach()
install(EXPORT cuebm NAMESPACE cuebm:: FILE cuebm-targets.cmake DESTINATION ${package_dir})
# In a folder where find_package() does not look: the build itself is no package.
configure_package_config_file(cmake/cuebm-config.cmake.in package/cuebm-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/cuebm-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/cuebm-config.cmake ${PROJECT_BINARY_DIR}/package/cuebm-config-version.cmake
    cmake/cuebm-energy.cmake cmake/cuebm-embed.cmake DESTINATION ${package_dir})

# Relative to the file itself, so that `cmake --install --prefix` and a moved tree stay right.
file(RELATIVE_PATH up_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" up_to_prefix ${up_to_prefix})
configure_file(cmake/cuebm.pc.in package/cuebm.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/cuebm.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(CUEBM_CUDA AND TARGET cuebm_cuda)
    install(TARGETS cuebm_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
