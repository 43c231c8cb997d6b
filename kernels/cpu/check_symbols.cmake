# Fails if an object of OBJECTS has weak or unique symbols: functions that the linker may share with other files.
foreach(object ${OBJECTS})
    execute_process(COMMAND ${NM} -C ${object} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX REPLACE "[^\n]*DW\\.ref\\.[^\n]*" "" symbols "${symbols}")  # the sanitizers' pointer, not code
    string(REGEX MATCHALL "[^\n]* [WVu] [^\n]*" shared "${symbols}")
    if(shared)
        message(FATAL_ERROR "${object} emits shared symbols: ${shared}")
    endif()
endforeach()
if(NOT OBJECTS)
    message(FATAL_ERROR "no objects to check")
endif()
