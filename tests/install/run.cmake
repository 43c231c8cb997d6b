# Installs the library to a scratch folder and builds and runs a consumer with find_package there.
set(scratch ${BUILD}/install_test)
file(REMOVE_RECURSE ${scratch})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${scratch}/prefix OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
if(SANITIZE STREQUAL "address")
    set(flags -fsanitize=address,undefined)
elseif(SANITIZE STREQUAL "thread")
    set(flags -fsanitize=thread)
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE}/tests/install -B ${scratch}/build
    -DCMAKE_PREFIX_PATH=${scratch}/prefix "-DCMAKE_CXX_FLAGS=${flags}" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${scratch}/build OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${scratch}/build/consumer COMMAND_ERROR_IS_FATAL ANY)
